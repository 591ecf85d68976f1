{{/*
What each ingress controller calls the size of a body and the time for an answer. One that is not named here has no such
limit by itself, or none that an Ingress can set: docs/deploying.md.
*/}}
{{- define "relay.ingressAnnotations" -}}
{{- $body := include "relay.bodyBytes" . -}}
{{- $answer := include "relay.answerSeconds" . -}}
{{- $request := include "relay.requestSeconds" . -}}
{{- $idle := include "relay.idleSeconds" . -}}
{{- $controller := .Values.ingress.controller -}}
{{- if eq $controller "nginx" -}}
nginx.ingress.kubernetes.io/proxy-body-size: {{ $body | quote }}
nginx.ingress.kubernetes.io/proxy-connect-timeout: "5"
nginx.ingress.kubernetes.io/proxy-send-timeout: {{ $answer | quote }}
nginx.ingress.kubernetes.io/proxy-read-timeout: {{ $answer | quote }}
{{- else if eq $controller "nginx-f5" -}}
nginx.org/client-max-body-size: {{ $body | quote }}
nginx.org/proxy-connect-timeout: 5s
nginx.org/proxy-send-timeout: {{ $answer }}s
nginx.org/proxy-read-timeout: {{ $answer }}s
{{- else if eq $controller "haproxy" -}}
haproxy.org/timeout-server: {{ $answer }}s
{{- else if eq $controller "haproxy-ingress" -}}
haproxy-ingress.github.io/proxy-body-size: {{ $body | quote }}
haproxy-ingress.github.io/timeout-connect: 5s
haproxy-ingress.github.io/timeout-server: {{ $answer }}s
{{- else if eq $controller "traefik" -}}
traefik.ingress.kubernetes.io/router.entrypoints: {{ ternary "websecure" "web" .Values.ingress.tls.enabled }}
{{- else if eq $controller "contour" -}}
projectcontour.io/response-timeout: {{ $request }}s
# Envoy keeps idle connections for an hour, the relay does not. What is sent twice is one event.
projectcontour.io/num-retries: "1"
projectcontour.io/retry-on: connect-failure,refused-stream,reset
{{- else if eq $controller "alb" -}}
alb.ingress.kubernetes.io/target-type: ip
alb.ingress.kubernetes.io/healthcheck-path: /healthz
alb.ingress.kubernetes.io/load-balancer-attributes: idle_timeout.timeout_seconds={{ $idle }}
alb.ingress.kubernetes.io/listen-ports: {{ ternary "[{\"HTTPS\":443}]" "[{\"HTTP\":80}]" .Values.ingress.tls.enabled | quote }}
{{- end -}}
{{- end }}

{{/* Where each controller usually lives, as peers of the NetworkPolicy. */}}
{{- define "relay.ingressPeers" -}}
{{- $usual := dict
  "nginx" (list "ingress-nginx" "kube-system")
  "nginx-f5" (list "nginx-ingress")
  "haproxy" (list "haproxy-controller")
  "haproxy-ingress" (list "haproxy-ingress" "ingress-controller")
  "traefik" (list "traefik" "kube-system")
  "contour" (list "projectcontour") -}}
{{- if .Values.networkPolicy.ingressFrom -}}
{{ toYaml .Values.networkPolicy.ingressFrom }}
{{- else -}}
{{- if .Values.ingress.enabled }}
{{- if eq .Values.ingress.controller "alb" }}
{{- /* It dials from the subnets of its own. */}}
{{- range list "10.0.0.0/8" "172.16.0.0/12" "192.168.0.0/16" "100.64.0.0/10" }}
- ipBlock: {cidr: {{ . }}}
{{- end }}
{{- end }}
{{- with get $usual .Values.ingress.controller }}
{{- range . }}
- namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{ . }}}}
{{- end }}
{{- end }}
{{- end }}
{{- if .Values.gateway.enabled }}
{{- if eq .Values.gateway.implementation "envoy-gateway" }}
- namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: envoy-gateway-system}}
{{- end }}
{{- range .Values.gateway.parentRefs }}
- namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{ default $.Release.Namespace .namespace | quote }}}}
{{- end }}
{{- end }}
{{- end -}}
{{- end }}
