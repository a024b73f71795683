{{/* The operator's flags, one a line. */}}
{{- define "operator.flags" -}}
- --metrics-address={{ .Values.listenHost }}:{{ .Values.ports.metrics }}
- --probe-address={{ .Values.listenHost }}:{{ .Values.ports.probes }}
- --log-format={{ lower .Values.log.format }}
- {{ printf "--log-level=%s" .Values.log.level | quote }}
- --check-interval={{ .Values.checkInterval }}
- --concurrency={{ .Values.concurrency }}
{{- with .Values.allowedHosts }}
- {{ printf "--allowed-hosts=%s" (join "," .) | quote }}
{{- end }}
- {{ printf "--denied-networks=%s" (include "operator.deniedNetworks" . | fromJsonArray | join ",") | quote }}
{{- if .Values.requireReleasedSecrets }}
- --require-released-secrets
{{- end }}
{{- with .Values.atlassian.authUrl }}
- {{ printf "--atlassian-auth-url=%s" . | quote }}
{{- end }}
{{- with .Values.atlassian.apiUrl }}
- {{ printf "--atlassian-api-url=%s" . | quote }}
{{- end }}
{{- with .Values.proxy.url }}
- {{ printf "--proxy=%s" . | quote }}
{{- end }}
{{- if or .Values.extraCA.configMapKeyRef.name .Values.extraCA.secretKeyRef.name }}
- --extra-ca=/etc/jira-connection-operator/ca.crt
{{- end }}
{{- with .Values.watchNamespaces }}
- --watch-namespaces={{ join "," . }}
{{- end }}
{{- with .Values.pages.publicUrl }}
- {{ printf "--public-url=%s" . | quote }}
- --pages-address={{ $.Values.listenHost }}:{{ $.Values.ports.pages }}
{{- end }}
{{- with .Values.leaderElection }}
{{- if .enabled }}
- --leader-election
- --lease-namespace={{ $.Release.Namespace }}
- --lease-name={{ include "operator.leaseName" $ }}
{{- with .leaseDuration }}
- --lease-duration={{ . }}
{{- end }}
{{- with .renewDeadline }}
- --lease-renew-deadline={{ . }}
{{- end }}
{{- with .retryPeriod }}
- --lease-retry-period={{ . }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
