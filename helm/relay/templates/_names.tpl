{{/* Names and labels. */}}

{{- define "relay.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 63 | trimAll "-" }}
{{- end }}

{{- define "relay.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 50 | trimAll "-" }}
{{- else if contains (include "relay.name" .) .Release.Name -}}
{{ .Release.Name | trunc 50 | trimAll "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name (include "relay.name" .) | trunc 50 | trimAll "-" }}
{{- end -}}
{{- end }}

{{/* What never changes of a thing; for selectors, with a component. */}}
{{- define "relay.selector" -}}
app.kubernetes.io/name: {{ include "relay.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* Of pods: what would restart them for nothing stays out. */}}
{{- define "relay.podLabels" -}}
{{ include "relay.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "relay.labels" -}}
{{ include "relay.podLabels" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "relay.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ default (include "relay.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{ default "default" .Values.serviceAccount.name }}
{{- end -}}
{{- end }}

{{- define "relay.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end }}

{{/* "true" where the store is a database that several relays share. */}}
{{- define "relay.isShared" -}}
{{- if eq .Values.store.kind "postgresql" }}true{{ end -}}
{{- end }}
