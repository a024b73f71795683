{{/* What the operator may do in each namespace that it works in. */}}
{{- define "operator.rules" -}}
# The two kinds are what it is there for; their spec is never written.
- apiGroups: [issuetracking.dev]
  resources: [jiraconnections, workspacebindings]
  verbs: [list, watch]
# Connections with `deletionPolicy: Revoke` get a finalizer, and lose it when the grant has been given back. Nothing else of them
# is patched.
- apiGroups: [issuetracking.dev]
  resources: [jiraconnections]
  verbs: [patch]
# What it found out about them goes into their status, by server-side apply.
- apiGroups: [issuetracking.dev]
  resources: [jiraconnections/status, workspacebindings/status]
  verbs: [patch]
# `get` reads the Secrets and ConfigMaps that connections refer to, one by one. `list` and `watch` notice a rotated
# credential at once; the operator asks for metadata only, but Kubernetes has no right to list that excludes the content.
- apiGroups: [""]
  resources: [secrets, configmaps]
  verbs: [get, list, watch]
# The two Secrets that it makes for a connection which a person authorises, and the one that it makes for a binding with
# `spec.projection` and removes again. Kubernetes cannot restrict `create` to names, and those for `patch` and `delete` are not known
# beforehand: an admission policy confines all three to Secrets of its own.
- apiGroups: [""]
  resources: [secrets]
  verbs: [create, patch, delete]
# `kubectl describe` shows when an object became ready or stopped being so. Each turn is an Event of its own.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end -}}
