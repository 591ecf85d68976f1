{{/* What the relay's pods and the migration's have in common. */}}

{{- define "relay.podBasics" -}}
enableServiceLinks: false
automountServiceAccountToken: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext: {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "relay.containerBasics" -}}
image: {{ include "relay.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext: {{- toYaml .Values.securityContext | nindent 2 }}
env:
  - {name: RELAY_CONFIG, value: /etc/relay/relay.yaml}
  {{- if and (include "relay.isShared" .) .Values.store.postgresql.passwordSecret.name }}
  - name: PGPASSWORD
    valueFrom: {secretKeyRef: {{ .Values.store.postgresql.passwordSecret | toJson }}}
  {{- end }}
  {{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .Values.extraEnvFrom }}
envFrom: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "relay.mountsBasics" -}}
- {name: config, mountPath: /etc/relay, readOnly: true}
- {name: data, mountPath: /var/lib/relay}
{{- if include "relay.storeSources" . }}
- {name: store, mountPath: /run/secrets/store, readOnly: true}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The database's URL and authorities, as files. */}}
{{- define "relay.storeSources" -}}
{{- if include "relay.isShared" . }}
{{- with .Values.store.postgresql.urlSecret }}
{{- if .name }}
- secret: {name: {{ .name | quote }}, items: [{key: {{ .key | quote }}, path: uri}]}
{{- end }}
{{- end }}
{{- with .Values.store.postgresql.caSecret }}
{{- if .name }}
- secret: {name: {{ .name | quote }}, items: [{key: {{ .key | quote }}, path: ca.crt}]}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "relay.storeVolume" -}}
{{- with include "relay.storeSources" . }}
- name: store
  projected:
    defaultMode: 0440
    sources: {{- . | nindent 6 }}
{{- end }}
{{- end }}
