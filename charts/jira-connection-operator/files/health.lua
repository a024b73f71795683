-- Health of JiraConnection and WorkspaceBinding (issuetracking.dev) for Argo CD.
local hs = { status = "Progressing", message = "The operator has not looked at this version of the object yet." }
local status = obj.status or {}
if status.observedGeneration ~= obj.metadata.generation then
  return hs
end

local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end
local function holds(type)
  return conditions[type] ~= nil and conditions[type].status == "True"
end

if conditions.Ready ~= nil then
  hs.message = conditions.Ready.reason .. ": " .. conditions.Ready.message
end
if holds("Suspended") then
  hs.status = "Suspended"
  hs.message = "Switched off by spec.suspend. Before: " .. hs.message
elseif holds("Reconciling") then
  hs.status = "Progressing"
elseif holds("Stalled") then
  hs.status = "Degraded"
elseif holds("Ready") then
  hs.status = "Healthy"
end
return hs
