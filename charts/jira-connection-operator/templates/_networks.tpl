{{/* Networks that no connection may lead to, as a list in JSON. */}}
{{- define "operator.deniedNetworks" -}}
{{- concat .Values.deniedNetworks .Values.clusterNetworks.pods .Values.clusterNetworks.services | uniq | toJson -}}
{{- end -}}

{{/* Everything but those networks, as the `to` of a NetworkPolicy. */}}
{{- define "operator.jiraPeers" -}}
{{- $four := list -}}
{{- $six := list -}}
{{- range include "operator.deniedNetworks" . | fromJsonArray -}}
{{- if contains ":" . -}}
{{- $six = append $six . -}}
{{- else -}}
{{- $four = append $four . -}}
{{- end -}}
{{- end -}}
- ipBlock:
    cidr: 0.0.0.0/0
    {{- with $four }}
    except: {{ toJson . }}
    {{- end }}
- ipBlock:
    cidr: ::/0
    {{- with $six }}
    except: {{ toJson . }}
    {{- end }}
{{- end -}}
