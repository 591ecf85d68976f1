{{/* Names and labels. */}}

{{- define "relay.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 63 | trimAll "-" }}
{{- end }}

{{/* A Service has neither a dot in its name nor a digit before it, a release may have both. */}}
{{- define "relay.fullname" -}}
{{- $name := include "relay.name" . -}}
{{- $full := .Release.Name | replace "." "-" -}}
{{- if .Values.fullnameOverride -}}
{{- $full = .Values.fullnameOverride -}}
{{- else if regexMatch "^[0-9]" $full -}}
{{- $full = printf "%s-%s" $name $full -}}
{{- else if not (contains $name $full) -}}
{{- $full = printf "%s-%s" $full $name -}}
{{- end -}}
{{ $full | trunc 50 | trimAll "-" }}
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
