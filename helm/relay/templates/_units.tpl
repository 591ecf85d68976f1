{{/* Times and sizes of the relay's configuration, as numbers for Kubernetes and ingresses. */}}

{{/* A duration such as `1500ms` in whole seconds, rounded up; a bare number is 0. */}}
{{- define "relay.seconds" -}}
{{- if not (kindIs "string" .) -}}
0
{{- else -}}
{{- $number := regexFind "^[0-9]+" . | int64 -}}
{{- $unit := regexFind "[a-z]+$" . -}}
{{- if eq $unit "ms" -}}
{{ div (add $number 999) 1000 }}
{{- else -}}
{{ mul $number (get (dict "s" 1 "m" 60 "h" 3600 "d" 86400 "y" 31536000) $unit | int64) }}
{{- end -}}
{{- end -}}
{{- end }}

{{/* A size such as `6MiB` in bytes; a bare number is bytes. */}}
{{- define "relay.bytes" -}}
{{- if not (kindIs "string" .) -}}
{{ . | int64 }}
{{- else -}}
{{- $factors := dict "B" 1 "kB" 1000 "KB" 1000 "MB" 1000000 "GB" 1000000000 "TB" 1000000000000 "KiB" 1024 "MiB" 1048576 "GiB" 1073741824 "TiB" 1099511627776 -}}
{{ mul (regexFind "^[0-9]+" . | int64) (get $factors (regexFind "[A-Za-z]+$" .) | int64) }}
{{- end -}}
{{- end }}

{{/* Longest that a stop takes (relay.app.stopping), and three seconds for the kubelet. */}}
{{- define "relay.grace" -}}
{{- if kindIs "invalid" .Values.terminationGracePeriodSeconds -}}
{{- $public := (include "relay.config" . | fromYaml).public -}}
{{- $drain := include "relay.seconds" $public.drain_delay | int64 -}}
{{- $stop := include "relay.seconds" (default "20s" $public.stop_timeout) | int64 -}}
{{ add $drain (mul 2 $stop) 30 }}
{{- else -}}
{{ .Values.terminationGracePeriodSeconds | int64 }}
{{- end -}}
{{- end }}

{{/* What proxies wait for and let through: limits of the relay's, with their defaults. */}}
{{- define "relay.bodyBytes" -}}
{{ include "relay.bytes" (dig "limits" "body_bytes" "6MiB" .Values.config) }}
{{- end }}

{{/* An answer comes within `ack_timeout` of the whole body; six seconds more for the way. */}}
{{- define "relay.answerSeconds" -}}
{{ add 6 (include "relay.seconds" (dig "limits" "ack_timeout" "4s" .Values.config) | int64) }}
{{- end }}

{{/* A whole request, the body's slow arrival included. */}}
{{- define "relay.requestSeconds" -}}
{{ add (include "relay.answerSeconds" . | int64) (include "relay.seconds" (dig "limits" "body_timeout" "20s" .Values.config) | int64) }}
{{- end }}

{{/* Idle connections end at the proxy first, so that nothing is sent into one that the relay is closing. */}}
{{- define "relay.idleSeconds" -}}
{{ max 1 (sub (include "relay.seconds" (dig "limits" "idle_timeout" "75s" .Values.config) | int64) 15) }}
{{- end }}
