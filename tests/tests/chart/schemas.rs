//! JSON schemas for kubeconform, which allow no property that they do not name: of the newest Kubernetes from the API server, and
//! of the oldest that the chart supports from the types that the operator is compiled with.

use std::{fs, path::Path};

use k8s_openapi::{
    api::{
        admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
        apps::v1::Deployment,
        core::v1::{ConfigMap, Namespace, Service, ServiceAccount},
        networking::v1::{Ingress, NetworkPolicy},
        policy::v1::PodDisruptionBudget,
        rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::Client;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{controlplane, tools};
use tokio::sync::OnceCell;

use super::act::eventually;

/// Group and version of each kind that the chart can render, as in the paths of the API server.
const KINDS: [(&str, &str); 17] = [
    ("api/v1", "ConfigMap"),
    ("api/v1", "Namespace"),
    ("api/v1", "Service"),
    ("api/v1", "ServiceAccount"),
    ("apis/admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy"),
    ("apis/admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding"),
    ("apis/apiextensions.k8s.io/v1", "CustomResourceDefinition"),
    ("apis/apps/v1", "Deployment"),
    ("apis/networking.k8s.io/v1", "Ingress"),
    ("apis/networking.k8s.io/v1", "NetworkPolicy"),
    ("apis/policy/v1", "PodDisruptionBudget"),
    ("apis/rbac.authorization.k8s.io/v1", "ClusterRole"),
    ("apis/rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
    ("apis/rbac.authorization.k8s.io/v1", "Role"),
    ("apis/rbac.authorization.k8s.io/v1", "RoleBinding"),
    ("apis/monitoring.coreos.com/v1", "ServiceMonitor"),
    ("apis/monitoring.coreos.com/v1", "PrometheusRule"),
];

const HTTP_ROUTE: (&str, &str) = ("apis/gateway.networking.k8s.io/v1", "HTTPRoute");

/// Modules and files of the definitions of the foreign kinds.
const FOREIGN: [(&str, &str); 3] = [
    ("sigs.k8s.io/gateway-api", "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"),
    (
        "github.com/prometheus-operator/prometheus-operator",
        "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
    ),
    (
        "github.com/prometheus-operator/prometheus-operator",
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
    ),
];

/// A version of Kubernetes that the chart supports.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Version {
    Oldest,
    Newest,
}

impl Version {
    fn name(self) -> &'static str {
        match self {
            Self::Oldest => "oldest",
            Self::Newest => "newest",
        }
    }
}

/// Schemas of both versions, as files.
pub(crate) struct Schemas(TempDir);

impl Schemas {
    /// Written by the first caller.
    pub(crate) async fn get() -> &'static Self {
        static SCHEMAS: OnceCell<Schemas> = OnceCell::const_new();
        SCHEMAS.get_or_init(Self::write).await
    }

    /// Where kubeconform finds the schema of a kind.
    pub(crate) fn location(&self, version: Version) -> String {
        let directory = self.0.path().join(version.name());
        format!("{}/{{{{ .ResourceKind }}}}{{{{ .KindSuffix }}}}.json", directory.display())
    }

    async fn write() -> Self {
        let client = controlplane::shared().await.client().await.unwrap();
        define_foreign_kinds().await;
        let schemas = Self(tempfile::tempdir().unwrap());
        let [oldest, newest] = [Version::Oldest, Version::Newest].map(|version| schemas.0.path().join(version.name()));
        fs::create_dir(&oldest).unwrap();
        fs::create_dir(&newest).unwrap();
        for (path, kind) in KINDS.into_iter().chain([HTTP_ROUTE]) {
            let schema = served(&client, path, kind).await;
            save(&newest, path, kind, &schema);
            // Whoever defines a foreign kind is no matter of the version of Kubernetes.
            save(&oldest, path, kind, &compiled(kind).unwrap_or(schema));
        }
        schemas
    }
}

/// Lets the API server know the foreign kinds that the chart can render.
pub(crate) async fn define_foreign_kinds() {
    static DEFINED: OnceCell<()> = OnceCell::const_new();
    let define = async || {
        let modules = tools::definitions().await.unwrap();
        for (module, file) in FOREIGN {
            let yaml = fs::read_to_string(modules[module].join(file)).unwrap();
            controlplane::shared().await.apply_yaml(&yaml).await.unwrap();
        }
    };
    DEFINED.get_or_init(define).await;
}

fn save(directory: &Path, path: &str, kind: &str, schema: &Value) {
    // As kubeconform names it: the first label of the group, then the version.
    let (group, version) = path.rsplit_once('/').unwrap();
    let group = group.trim_start_matches("apis/").split('.').next().unwrap();
    let suffix = if group == "api" { version.to_owned() } else { format!("{group}-{version}") };
    let file = directory.join(format!("{}-{suffix}.json", kind.to_lowercase()));
    fs::write(file, serde_json::to_vec(schema).unwrap()).unwrap();
}

/// The schema that the API server publishes, which it does a moment after it serves a new kind.
async fn served(client: &Client, path: &str, kind: &str) -> Value {
    let published = async || {
        let request = http::Request::get(format!("/openapi/v3/{path}")).body(Vec::new()).unwrap();
        let document: Value = client.request(request).await.ok()?;
        let schemas = document["components"]["schemas"].as_object()?;
        let (name, _) = schemas.iter().find(|(_, schema)| is_of(schema, kind))?;
        let reference = format!("#/components/schemas/{name}");
        Some((reference, document["components"]["schemas"].clone()))
    };
    let (reference, mut schemas) = eventually(&format!("a schema of {kind}"), published).await;
    schemas.as_object_mut().unwrap().values_mut().for_each(close);
    json!({ "$ref": reference, "components": { "schemas": schemas } })
}

fn is_of(schema: &Value, kind: &str) -> bool {
    let kinds = schema["x-kubernetes-group-version-kind"].as_array();
    kinds.is_some_and(|kinds| kinds.len() == 1 && kinds[0]["kind"] == kind)
}

/// The schema of a type of k8s-openapi, whose feature is the oldest version that the chart supports.
fn compiled(kind: &str) -> Option<Value> {
    Some(match kind {
        "ConfigMap" => of::<ConfigMap>(),
        "Namespace" => of::<Namespace>(),
        "Service" => of::<Service>(),
        "ServiceAccount" => of::<ServiceAccount>(),
        "ValidatingAdmissionPolicy" => of::<ValidatingAdmissionPolicy>(),
        "ValidatingAdmissionPolicyBinding" => of::<ValidatingAdmissionPolicyBinding>(),
        "CustomResourceDefinition" => of::<CustomResourceDefinition>(),
        "Deployment" => of::<Deployment>(),
        "Ingress" => of::<Ingress>(),
        "NetworkPolicy" => of::<NetworkPolicy>(),
        "PodDisruptionBudget" => of::<PodDisruptionBudget>(),
        "ClusterRole" => of::<ClusterRole>(),
        "ClusterRoleBinding" => of::<ClusterRoleBinding>(),
        "Role" => of::<Role>(),
        "RoleBinding" => of::<RoleBinding>(),
        _ => return None,
    })
}

fn of<T: JsonSchema>() -> Value {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value();
    for definition in schema["$defs"].as_object_mut().into_iter().flat_map(|definitions| definitions.values_mut()) {
        close(definition);
    }
    close(&mut schema);
    schema
}

/// Allows no property that the schema does not name, at any depth. Alternatives name only what they are about and stay as they
/// are.
fn close(schema: &mut Value) {
    let Some(schema) = schema.as_object_mut() else { return };
    let open = schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
    if schema.contains_key("properties") && !schema.contains_key("additionalProperties") && !open {
        schema.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
    for (key, value) in schema {
        match key.as_str() {
            "properties" => value.as_object_mut().into_iter().flat_map(|it| it.values_mut()).for_each(close),
            "items" | "additionalProperties" => close(value),
            _ => {}
        }
    }
}
