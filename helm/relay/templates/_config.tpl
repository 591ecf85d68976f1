{{/*
The relay's configuration. What the user wrote, what the chart adds, and the secrets that are lifted out of it: each
text of a secret goes into the chart's Secret, and its file's name into the ConfigMap.
*/}}

{{/* The settings that hold a secret; a test compares them with relay.settings. */}}
{{- define "relay.secretWords" -}}
secret token bearer password
{{- end }}

{{/*
Lifts secrets out of `node` in place and puts them into `found`, by a name made of the way to them. Below `headers` every
value is one. What names a variable stays; `$$` names none.
*/}}
{{- define "relay.lift" -}}
{{- $in := . -}}
{{- if kindIs "map" $in.node -}}
{{- range $key, $value := $in.node -}}
{{- $way := printf "%s.%s" $in.way $key -}}
{{- $isSecret := or $in.all (has $key (include "relay.secretWords" $ | splitList " ")) -}}
{{- if not (kindIs "string" $value) -}}
{{- include "relay.lift" (dict "node" $value "way" $way "found" $in.found "all" (eq $key "headers")) -}}
{{- else if and $isSecret (not (contains "${" (replace "$$" "" $value))) -}}
{{- $plain := regexReplaceAll "[^-._a-zA-Z0-9]" $way "_" -}}
{{- if ne $plain $way -}}
{{- $plain = printf "%s.%s" $plain (sha256sum $way | trunc 8) -}}
{{- end -}}
{{- $_ := set $in.found $plain (replace "$$" "$" $value) -}}
{{- $_ := set $in.node $key (dict "file" (printf "/run/secrets/relay/%s" $plain)) -}}
{{- end -}}
{{- end -}}
{{- else if kindIs "slice" $in.node -}}
{{- range $index, $item := $in.node -}}
{{- $step := toString $index -}}
{{- if kindIs "map" $item -}}
{{- $step = $item.name | default $item.id | default $step -}}
{{- end -}}
{{- include "relay.lift" (dict "node" $item "way" (printf "%s.%s" $in.way $step) "found" $in.found "all" false) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* `config` without secrets, and the secrets, as one YAML document. */}}
{{- define "relay.lifted" -}}
{{- $config := deepCopy .Values.config -}}
{{- $found := dict -}}
{{- range list "sources" "destinations" -}}
{{- include "relay.lift" (dict "node" (get $config .) "way" . "found" $found "all" false) -}}
{{- end -}}
{{ dict "config" $config "secrets" $found | toYaml }}
{{- end }}

{{- define "relay.secrets" -}}
{{ (include "relay.lifted" . | fromYaml).secrets | toYaml }}
{{- end }}

{{/* The value of `store`. */}}
{{- define "relay.storeSetting" -}}
{{- $database := .Values.store.postgresql -}}
{{- if not (include "relay.isShared" .) -}}
"sqlite:///relay.db"
{{- else if $database.urlSecret.name -}}
{file: /run/secrets/store/uri}
{{- else -}}
{{ $database.url | toJson }}
{{- end -}}
{{- end }}

{{- define "relay.place" -}}
data_dir: /var/lib/relay
store: {{ include "relay.storeSetting" . }}
{{- end }}

{{/* The whole file. */}}
{{- define "relay.config" -}}
{{- $config := (include "relay.lifted" . | fromYaml).config -}}
{{- $address := ternary "[::]" .Values.listen (eq .Values.listen "::") -}}
{{- $scheme := ternary "https" "http" (include "relay.isTls" . | eq "true") -}}
{{- $public := mustMerge (dict "listen" (printf "%s:8080" $address) "url" (printf "%s://%s" $scheme .Values.host)) ($config.public | default dict) -}}
{{- if not (hasKey $public "drain_delay") -}}
{{- $_ := set $public "drain_delay" (include "relay.drainDelay" .) -}}
{{- end -}}
{{- $_ := set $config "public" $public -}}
{{- $_ := set $config "operator" (dict "listen" (printf "%s:8081" $address)) -}}
{{- $_ := set $config "log" (mustMerge ($config.log | default dict) (dict "format" "json")) -}}
{{- range $key, $value := $config -}}
{{- if not $value -}}{{- $_ := unset $config $key -}}{{- end -}}
{{- end -}}
{{ include "relay.place" . }}
{{ $config | toYaml }}
{{- end }}

{{/*
How long the ingress may take to notice that a relay stops: until its probe has failed often enough, and two seconds more for the
word to get round; a load balancer outside the cluster takes its time. Of one relay alone nothing takes the place: waiting
would only make the pause longer.
*/}}
{{- define "relay.drainDelay" -}}
{{- if not (include "relay.isShared" .) -}}
0s
{{- else if and .Values.ingress.enabled (eq .Values.ingress.controller "alb") -}}
30s
{{- else -}}
{{- $ready := .Values.probes.readiness -}}
{{ printf "%ds" (add 2 (mul (default 10 $ready.periodSeconds) (default 3 $ready.failureThreshold))) }}
{{- end -}}
{{- end }}

{{/* Without TLS of the Ingress, and without a Gateway, whose listeners the chart does not know. */}}
{{- define "relay.isTls" -}}
{{- if or .Values.ingress.tls.enabled .Values.gateway.enabled (not .Values.ingress.enabled) }}true{{ end -}}
{{- end }}

{{/* What a running relay does not take over when the file changes: a change of it has to restart the pods. */}}
{{- define "relay.fixedConfig" -}}
{{ omit (include "relay.config" . | fromYaml) "sources" "destinations" "routes" | toYaml }}
{{- end }}
