// Resources that a cluster may have beside Kubernetes' own, from those who define them. Nothing of these modules is
// built: their files are read (`go mod download`, which holds them to go.sum).
module runflow-relay/tests/cluster/crds

go 1.26.0

require (
	github.com/envoyproxy/gateway v1.9.0
	github.com/prometheus-operator/prometheus-operator v0.85.0
	github.com/traefik/traefik/v3 v3.7.13
	sigs.k8s.io/gateway-api v1.6.3
)
