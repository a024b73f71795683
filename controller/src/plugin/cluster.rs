//! The cluster as kubectl would reach it: kubeconfig, context, namespace, and the rights of the caller alone.

use crds::{JiraConnection, WorkspaceBinding};
use k8s_openapi::{
    NamespaceResourceScope,
    api::core::v1::{Namespace, Secret},
};
use kube::{
    Api, Client, Config, Resource,
    api::PatchParams,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde::de::DeserializeOwned;

use super::{arguments::ClusterArguments, error::Error};

/// Owner of the fields that the plugin writes.
pub const FIELD_MANAGER: &str = "kubectl-jira";

/// The cluster, as the caller.
#[derive(Clone)]
pub struct Cluster {
    /// Sends requests with the caller's credentials.
    pub client: Client,
    /// The namespace at hand.
    pub namespace: String,
}

impl Cluster {
    /// Reads the kubeconfig as kubectl does, or inside a pod the service account's files where there is none.
    ///
    /// # Errors
    /// When neither serves. Nothing is sent yet.
    pub async fn connect(arguments: &ClusterArguments) -> Result<Self, Error> {
        let mut config = config(arguments).await?;
        if let Some(user) = &arguments.impersonate {
            config.auth_info.impersonate = Some(user.clone());
        }
        if !arguments.impersonate_groups.is_empty() {
            config.auth_info.impersonate_groups = Some(arguments.impersonate_groups.clone());
        }
        let namespace = arguments.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).map_err(|error| Error::api("connecting to the cluster", error))?;
        Ok(Self { client, namespace })
    }

    /// Objects of a kind in the namespace at hand.
    #[must_use]
    pub fn all<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Objects of a kind in another namespace.
    #[must_use]
    pub fn all_of<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// The connection of this name in the namespace at hand.
    ///
    /// # Errors
    /// When it does not exist or may not be read.
    pub async fn connection(&self, name: &str) -> Result<JiraConnection, Error> {
        let what = format!("reading JiraConnection {name} of namespace {}", self.namespace);
        self.all::<JiraConnection>().get(name).await.map_err(|error| Error::api(what, error))
    }

    /// The binding of this name in the namespace at hand.
    ///
    /// # Errors
    /// When it does not exist or may not be read.
    pub async fn binding(&self, name: &str) -> Result<WorkspaceBinding, Error> {
        let what = format!("reading WorkspaceBinding {name} of namespace {}", self.namespace);
        self.all::<WorkspaceBinding>().get(name).await.map_err(|error| Error::api(what, error))
    }

    /// An object, as far as the caller can see.
    ///
    /// # Errors
    /// When the API server neither gives nor refuses it.
    pub async fn sight<K>(&self, namespace: &str, name: &str) -> Result<Sight<K>, Error>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
    {
        let what = format!("reading {} {name} of namespace {namespace}", K::kind(&()));
        Sight::of(self.all_of::<K>(namespace).get(name).await.map_err(|error| Error::api(what, error)))
    }

    /// The labels of a namespace, as far as the caller can see.
    ///
    /// # Errors
    /// When the API server neither gives nor refuses it.
    pub async fn namespace_sight(&self, name: &str) -> Result<Sight<Namespace>, Error> {
        let api = Api::<Namespace>::all(self.client.clone());
        Sight::of(api.get(name).await.map_err(|error| Error::api(format!("reading Namespace {name}"), error)))
    }

    /// Secrets of the namespace at hand.
    #[must_use]
    pub fn secrets(&self) -> Api<Secret> {
        self.all()
    }
}

/// What the caller can see of an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Sight<T> {
    /// All of it.
    Seen(T),
    /// That it is not there.
    Absent,
    /// Nothing: the caller may not read it.
    Hidden,
}

impl<T> Sight<T> {
    /// Makes facts of two kinds of failure.
    fn of(read: Result<T, Error>) -> Result<Self, Error> {
        match read {
            Ok(object) => Ok(Self::Seen(object)),
            Err(Error::NotFound { .. }) => Ok(Self::Absent),
            Err(Error::Forbidden { .. }) => Ok(Self::Hidden),
            Err(error) => Err(error),
        }
    }

    /// The same of something within.
    pub fn map<U>(self, within: impl FnOnce(T) -> U) -> Sight<U> {
        match self {
            Self::Seen(object) => Sight::Seen(within(object)),
            Self::Absent => Sight::Absent,
            Self::Hidden => Sight::Hidden,
        }
    }

    /// What is seen.
    pub fn seen(&self) -> Option<&T> {
        match self {
            Self::Seen(object) => Some(object),
            Self::Absent | Self::Hidden => None,
        }
    }
}

/// How the plugin writes: a merge of its own keys.
#[must_use]
pub fn merge() -> PatchParams {
    PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() }
}

async fn config(arguments: &ClusterArguments) -> Result<Config, Error> {
    let ClusterArguments { context, cluster, user, kubeconfig, .. } = arguments;
    let options = KubeConfigOptions { context: context.clone(), cluster: cluster.clone(), user: user.clone() };
    let unusable = |error| Error::Kubeconfig(Box::new(error));
    if let Some(path) = kubeconfig {
        let file = Kubeconfig::read_from(path).map_err(unusable)?;
        return Config::from_custom_kubeconfig(file, &options).await.map_err(unusable);
    }
    let chosen = context.is_some() || cluster.is_some() || user.is_some() || std::env::var_os("KUBECONFIG").is_some();
    if chosen {
        return Config::from_kubeconfig(&options).await.map_err(unusable);
    }
    Config::infer().await.map_err(|error| Error::NoCluster(Box::new(error)))
}
