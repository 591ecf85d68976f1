// Resources that a cluster may have beside Kubernetes' own, from those who define them. Nothing of these modules is
// built: their files are read (`go mod download`, which holds them to go.sum).
module runflow-relay/tests/cluster/crds

go 1.26.0

require (
	github.com/prometheus-operator/prometheus-operator v0.85.0
	sigs.k8s.io/gateway-api v1.6.3
)
