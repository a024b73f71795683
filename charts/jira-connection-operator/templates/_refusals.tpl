{{/* Combinations of values that a schema cannot refuse in a sentence. */}}
{{- define "operator.refusals" -}}
{{- if and (gt (int .Values.replicas) 1) (not .Values.leaderElection.enabled) -}}
{{- fail "replicas: several replicas without leaderElection.enabled would all work at once and lose refresh tokens to each other" -}}
{{- end -}}
{{- if and .Values.proxy.url .Values.proxy.secretKeyRef.name -}}
{{- fail "proxy: give url or secretKeyRef, not both" -}}
{{- end -}}
{{- if and .Values.extraCA.configMapKeyRef.name .Values.extraCA.secretKeyRef.name -}}
{{- fail "extraCA: give configMapKeyRef or secretKeyRef, not both" -}}
{{- end -}}
{{- if and (or .Values.pages.ingress.enabled .Values.pages.httpRoute.enabled) (not .Values.pages.publicUrl) -}}
{{- fail "pages.publicUrl: an ingress or a route needs the address at which a browser finds the pages, such as https://operator.acme.example" -}}
{{- end -}}
{{- if and .Values.pages.httpRoute.enabled (not .Values.pages.httpRoute.parentRefs) -}}
{{- fail "pages.httpRoute.parentRefs: name the gateway that the route belongs to" -}}
{{- end -}}
{{- if and .Values.userRoles.create (has "view" .Values.userRoles.adminAggregatesTo) -}}
{{- fail "userRoles.adminAggregatesTo: whoever may view must not write" -}}
{{- end -}}
{{- end -}}
