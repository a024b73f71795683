// Modules that carry the definitions of the foreign kinds which the chart can render: HTTPRoute, ServiceMonitor, PrometheusRule.
// Nothing is built from them; a module of its own keeps their requirements out of the tools'.
module local/definitions

go 1.26.0

require (
	github.com/prometheus-operator/prometheus-operator v0.85.0 // indirect
	sigs.k8s.io/gateway-api v1.6.1 // indirect
)
