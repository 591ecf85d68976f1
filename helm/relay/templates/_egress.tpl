{{/*
What the relay may reach, as it follows from the configuration. A NetworkPolicy is judged after a Service's address has
become a pod's, so within the cluster the namespace is named and not the port.
*/}}

{{/* Networks that are not public. */}}
{{- define "relay.privateNetworks" -}}
["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"]
{{- end }}

{{/* Peers of a network, of either family. */}}
{{- define "relay.anywhere" -}}
- ipBlock: {cidr: 0.0.0.0/0, except: {{ concat (list "169.254.0.0/16") .except4 | toJson }}}
- ipBlock: {cidr: "::/0", except: {{ concat (list "fe80::/10") .except6 | toJson }}}
{{- end }}

{{/*
Rules, as a list. `reach` is `public`, `private`, `any`, or a list of networks; `port` 0 is every port. A name `NAME.NAMESPACE` is
looked up as that Service before it is looked up outside, and may be either.
*/}}
{{- define "relay.way" -}}
{{- $ports := ternary (list) (list (dict "protocol" "TCP" "port" .port)) (eq .port 0) -}}
{{- $host := lower .host -}}
{{- $rules := list -}}
{{- $to := list -}}
{{- if contains "${" $host -}}
{{- $to = include "relay.anywhere" (dict "except4" list "except6" list) | fromYamlArray -}}
{{- $ports = list -}}
{{- else if regexMatch "^[0-9.]+$" $host -}}
{{- $to = list (dict "ipBlock" (dict "cidr" (printf "%s/32" $host))) -}}
{{- else if contains ":" $host -}}
{{- $to = list (dict "ipBlock" (dict "cidr" (printf "%s/128" ($host | trimAll "[]")))) -}}
{{- else if not (contains "." $host) -}}
{{- $to = list (dict "podSelector" dict) -}}
{{- $ports = list -}}
{{- else if regexMatch "^([^.]+[.])+[^.]+[.]svc([.].*)?$" $host -}}
{{- /* Also `POD.NAME.NAMESPACE.svc`, as brokers are called. */ -}}
{{- $to = include "relay.namespace" (regexReplaceAll "^([^.]+[.])+?([^.]+)[.]svc([.].*)?$" $host "${2}") | fromYamlArray -}}
{{- $ports = list -}}
{{- else -}}
{{- if and (regexMatch "^[^.]+[.][^.]+$" $host) (ne (toString .reach) "public") -}}
{{- $rules = list (dict "to" (include "relay.namespace" (splitList "." $host | last) | fromYamlArray)) -}}
{{- end -}}
{{- $to = include "relay.networks" .reach | fromYamlArray -}}
{{- end -}}
{{- $rule := dict "to" $to -}}
{{- if $ports -}}
{{- $_ := set $rule "ports" $ports -}}
{{- end -}}
{{ append $rules $rule | toYaml }}
{{- end }}

{{/* Everybody in a namespace, as a list of peers. */}}
{{- define "relay.namespace" -}}
{{ list (dict "namespaceSelector" (dict "matchLabels" (dict "kubernetes.io/metadata.name" .))) | toYaml }}
{{- end }}

{{/* Where an address may be that a name stands for, as a list of peers: the `reach` of above. */}}
{{- define "relay.networks" -}}
{{- $private := include "relay.privateNetworks" . | fromJsonArray -}}
{{- if kindIs "slice" . }}
{{- range . }}
- ipBlock: {cidr: {{ ternary . (printf "%s/%d" . (ternary 128 32 (contains ":" .))) (contains "/" .) | quote }}}
{{- end }}
{{- else if eq . "private" }}
{{- range $private }}
- ipBlock: {cidr: {{ . | quote }}}
{{- end }}
{{- else if eq . "public" }}
{{ include "relay.anywhere" (dict "except4" (without $private "fc00::/7") "except6" (list "fc00::/7")) }}
{{- else }}
{{ include "relay.anywhere" (dict "except4" list "except6" list) }}
{{- end }}
{{- end }}

{{/* The same of a URL. */}}
{{- define "relay.wayOfUrl" -}}
{{- $address := regexReplaceAll "^[a-z]+://([^/?@]*@)?([^/?]*).*$" .url "${2}" -}}
{{- $port := ternary 443 80 (hasPrefix "https:" .url) -}}
{{- include "relay.wayOfAddress" (dict "address" $address "port" $port "reach" .reach) -}}
{{- end }}

{{/* The same of HOST or HOST:PORT. */}}
{{- define "relay.wayOfAddress" -}}
{{- $port := .port -}}
{{- with regexFind ":[0-9]+$" .address -}}
{{- $port = trimPrefix ":" . | int -}}
{{- end -}}
{{- include "relay.way" (dict "host" (regexReplaceAll ":[0-9]+$" .address "") "port" $port "reach" .reach) -}}
{{- end }}

{{/* Where the database is. */}}
{{- define "relay.storeWays" -}}
{{- $database := .Values.store.postgresql -}}
{{- if $database.urlSecret.name }}
{{- /* The chart cannot read where it is: any pod, and any address, on the port of PostgreSQL. */}}
- to: [{namespaceSelector: {}}, {ipBlock: {cidr: 0.0.0.0/0, except: [169.254.0.0/16]}}, {ipBlock: {cidr: "::/0", except: ["fe80::/10"]}}]
  ports: [{protocol: TCP, port: 5432}]
{{- else }}
{{- range regexReplaceAll "^[a-z]+://([^/?@]*@)?([^/?]*).*$" $database.url "${2}" | splitList "," }}
{{ include "relay.wayOfAddress" (dict "address" . "port" 5432 "reach" "any") }}
{{- end }}
{{- end }}
{{- end }}

{{/* All of it, as a list of rules, each once. */}}
{{- define "relay.ways" -}}
{{- $ways := list -}}
{{- if include "relay.isShared" . -}}
{{- $ways = concat $ways (include "relay.storeWays" . | fromYamlArray) -}}
{{- end -}}
{{- range .Values.config.sources -}}
{{- if dig "api" "token" "" . -}}
{{- $url := dig "api" "base_url" "https://api.runflow.io" . -}}
{{- $ways = concat $ways (include "relay.wayOfUrl" (dict "url" $url "reach" "any") | fromYamlArray) -}}
{{- end -}}
{{- end -}}
{{- range .Values.config.destinations -}}
{{- if eq .kind "http" -}}
{{- $reach := "public" -}}
{{- $url := .url -}}
{{- if dig "proxy" "url" "" . -}}
{{- $url = .proxy.url -}}
{{- $reach = "any" -}}
{{- else if kindIs "slice" .private -}}
{{- $reach = .private -}}
{{- else if .private -}}
{{- $reach = "private" -}}
{{- end -}}
{{- $ways = concat $ways (include "relay.wayOfUrl" (dict "url" $url "reach" $reach) | fromYamlArray) -}}
{{- else if eq .kind "kafka" -}}
{{- $brokers := .bootstrap_servers -}}
{{- if kindIs "string" $brokers -}}
{{- $brokers = splitList "," $brokers -}}
{{- end -}}
{{- range $brokers -}}
{{- $ways = concat $ways (include "relay.wayOfAddress" (dict "address" (trim .) "port" 9092 "reach" "any") | fromYamlArray) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{ uniq $ways | toYaml }}
{{- end }}

{{/*
The way to `public.url`. The address of a load balancer may lead straight to the ingress controller's pods, whose ports are their own; or
out of the cluster and in again.
*/}}
{{- define "relay.publicWays" -}}
{{- $inside := list -}}
{{- range include "relay.ingressPeers" . | fromYamlArray -}}
{{- if not (hasKey . "ipBlock") -}}
{{- $inside = append $inside . -}}
{{- end -}}
{{- end -}}
{{- $url := (include "relay.config" . | fromYaml).public.url -}}
{{- $ways := include "relay.wayOfUrl" (dict "url" $url "reach" "any") | fromYamlArray -}}
{{- with uniq $inside -}}
{{- $ways = prepend $ways (dict "to" .) -}}
{{- end -}}
{{ $ways | toYaml }}
{{- end }}

{{/* Port 5353 is that of OpenShift's DNS pods: here too the policy is judged by the pod's, not by the Service's. */}}
{{- define "relay.dnsWay" -}}
{{- with .Values.networkPolicy.dns -}}
- to: {{- toYaml . | nindent 4 }}
  ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}, {protocol: UDP, port: 5353}, {protocol: TCP, port: 5353}]
{{- end -}}
{{- end }}
