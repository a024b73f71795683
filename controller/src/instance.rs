//! Which connections lead to the same Jira.
//!
//! Kept from the watch of connections, so that neither a change nor a pass has to look at all of them. What is in it follows from
//! the objects alone: a suspended connection counts, one that is being deleted or cannot be read does not.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crds::JiraConnection;
use kube::ResourceExt;

use crate::{
    jira::{CloudId, Site},
    proof::ConnectionName,
};

/// The Jira of each connection.
#[derive(Debug, Default)]
pub struct Instances(Mutex<Index>);

/// The other connections that lead to the Jira of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sharing {
    /// Names of those in the same namespace.
    pub here: BTreeSet<String>,
    /// How many there are in other namespaces.
    pub elsewhere: usize,
}

impl Instances {
    /// Takes note of a connection as it is now; `None` if it is gone or cannot be read. Returns the connections of its namespace,
    /// itself included, that share their Jira with others than before.
    pub fn note(&self, name: &ConnectionName, connection: Option<&JiraConnection>) -> BTreeSet<ConnectionName> {
        let mut index = self.index();
        let before = index.neighbours(name);
        let instance = connection.and_then(|it| Instance::of(it, index.instances.get(name)));
        index.put(name, instance);
        let after = index.neighbours(name);
        let mut concerned: BTreeSet<_> = before.symmetric_difference(&after).cloned().collect();
        if !concerned.is_empty() {
            concerned.insert(name.clone());
        }
        concerned
    }

    /// With whom a connection shares its Jira.
    #[must_use]
    pub fn sharing(&self, name: &ConnectionName) -> Sharing {
        let index = self.index();
        let (here, elsewhere): (BTreeSet<_>, BTreeSet<_>) = index.others(name).partition(|(it, _)| *it == name.0);
        Sharing { here: here.into_iter().map(|(_, it)| it.clone()).collect(), elsewhere: elsewhere.len() }
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct Index {
    instances: HashMap<ConnectionName, Instance>,
    bearers: HashMap<Mark, BTreeSet<ConnectionName>>,
}

impl Index {
    fn put(&mut self, name: &ConnectionName, instance: Option<Instance>) {
        for mark in self.instances.remove(name).iter().flat_map(Instance::marks) {
            if let Some(bearers) = self.bearers.get_mut(&mark) {
                bearers.remove(name);
                if bearers.is_empty() {
                    self.bearers.remove(&mark);
                }
            }
        }
        let Some(instance) = instance else { return };
        for mark in instance.marks() {
            self.bearers.entry(mark).or_default().insert(name.clone());
        }
        self.instances.insert(name.clone(), instance);
    }

    /// The others that bear one of its marks; one that bears two of them comes twice.
    fn others(&self, name: &ConnectionName) -> impl Iterator<Item = &ConnectionName> {
        let marks = self.instances.get(name).into_iter().flat_map(Instance::marks);
        marks.filter_map(|mark| self.bearers.get(&mark)).flatten().filter(move |other| *other != name)
    }

    fn neighbours(&self, name: &ConnectionName) -> BTreeSet<ConnectionName> {
        self.others(name).filter(|(namespace, _)| *namespace == name.0).cloned().collect()
    }
}

/// The Jira that a connection leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Instance {
    uid: Option<String>,
    site: Site,
    cloud_id: Option<CloudId>,
}

/// Two connections lead to the same Jira if they have one of these in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Mark {
    Site(Site),
    /// A Cloud site can have a domain of its own besides the one of Atlassian.
    CloudId(CloudId),
}

impl Instance {
    /// Of a connection. While nobody has looked at its present spec, the Cloud id is the one that was known `before`, as long as the
    /// site is the same: an edit of something else shall not look as if the other connections were rid of it.
    fn of(connection: &JiraConnection, before: Option<&Self>) -> Option<Self> {
        if connection.metadata.deletion_timestamp.is_some() {
            return None;
        }
        let site = Site::parse(&connection.spec.url).ok()?;
        let uid = connection.uid();
        let status = connection.status.as_ref();
        let looked_at = status
            .filter(|it| it.observed_generation.is_some() && it.observed_generation == connection.metadata.generation);
        let cloud_id = match looked_at {
            Some(status) => status.server.as_ref().and_then(|server| server.cloud_id.as_ref()?.parse().ok()),
            None => before.filter(|it| it.uid == uid && it.site == site).and_then(|it| it.cloud_id.clone()),
        };
        Some(Self { uid, site, cloud_id })
    }

    fn marks(&self) -> impl Iterator<Item = Mark> + use<> {
        [Some(Mark::Site(self.site.clone())), self.cloud_id.clone().map(Mark::CloudId)].into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    const ONE: &str = "11111111-2222-3333-4444-555555555555";

    /// A Cloud id that begins with eight times the same digit.
    fn id(digit: &str) -> String {
        format!("{}-2222-3333-4444-555555555555", digit.repeat(8))
    }

    fn name(namespace: &str, name: &str) -> ConnectionName {
        (namespace.into(), name.into())
    }

    fn connection(url: &str, more: Value) -> JiraConnection {
        let mut object = json!({
            "apiVersion": "issuetracking.dev/v1alpha1", "kind": "JiraConnection",
            "metadata": { "name": "acme", "namespace": "platform", "uid": "u-1", "generation": 1 },
            "spec": { "url": url, "deployment": "Cloud", "auth": {} },
        });
        merge(&mut object, more);
        serde_json::from_value(object).unwrap()
    }

    fn merge(into: &mut Value, more: Value) {
        match (into, more) {
            (Value::Object(into), Value::Object(more)) => {
                for (key, value) in more {
                    merge(into.entry(key).or_insert(Value::Null), value);
                }
            }
            (into, more) => *into = more,
        }
    }

    fn known(cloud_id: &str) -> Value {
        json!({ "status": { "observedGeneration": 1, "server": { "deployment": "Cloud", "cloudId": cloud_id } } })
    }

    /// As it is right after an edit.
    fn edited() -> Value {
        let mut object = known(ONE);
        object["metadata"] = json!({ "generation": 2 });
        object
    }

    #[rstest]
    #[case::same(connection("https://a.test", json!({})), connection("https://a.test", json!({})), true)]
    #[case::written_otherwise(connection("https://A.test:443/jira/", json!({})), connection("https://a.test/jira", json!({})), true)]
    #[case::other_host(connection("https://a.test", json!({})), connection("https://b.test", json!({})), false)]
    #[case::other_port(connection("https://a.test", json!({})), connection("https://a.test:8443", json!({})), false)]
    #[case::other_context_path(connection("https://a.test/jira", json!({})), connection("https://a.test/Jira", json!({})), false)]
    #[case::own_domain_of_a_cloud_site(
        connection("https://a.test", known(ONE)),
        connection("https://b.test", known(ONE)),
        true
    )]
    #[case::same_cloud_id_in_capitals(connection("https://a.test", known(&id("a"))), connection("https://b.test", known(&id("A"))), true)]
    #[case::other_cloud_id(connection("https://a.test", known(ONE)), connection("https://b.test", known(&id("9"))), false)]
    #[case::cloud_id_of_a_former_spec(
        connection("https://a.test", known(ONE)),
        connection("https://b.test", edited()),
        false
    )]
    #[case::suspended(connection("https://a.test", json!({})), connection("https://a.test", json!({ "spec": { "suspend": true } })), true)]
    #[case::being_deleted(connection("https://a.test", json!({})), connection("https://a.test", json!({ "metadata": { "deletionTimestamp": "2026-11-24T12:00:00Z" } })), false)]
    #[case::no_url(connection("https://a.test", json!({})), connection("http://a.test", json!({})), false)]
    fn two_connections_lead_to_the_same_jira(
        #[case] one: JiraConnection,
        #[case] other: JiraConnection,
        #[case] same: bool,
    ) {
        let instances = Instances::default();
        let (a, b) = (name("platform", "a"), name("platform", "b"));
        assert_eq!(instances.note(&a, Some(&one)), BTreeSet::new());
        let both = BTreeSet::from([a.clone(), b.clone()]);
        assert_eq!(instances.note(&b, Some(&other)), if same { both.clone() } else { BTreeSet::new() });
        assert_eq!(instances.sharing(&a).here.contains("b"), same);
        assert_eq!(instances.sharing(&b).here.contains("a"), same);
        assert_eq!(instances.note(&a, None), if same { both } else { BTreeSet::new() }, "whoever is left is told");
        assert_eq!(instances.sharing(&b), Sharing::default());
    }

    #[test]
    fn other_namespaces_are_counted_and_not_woken() {
        let instances = Instances::default();
        let jira = connection("https://a.test", known(ONE));
        instances.note(&name("platform", "a"), Some(&jira));
        assert_eq!(instances.note(&name("web", "a"), Some(&jira)), BTreeSet::new());
        let alone = Sharing { here: BTreeSet::new(), elsewhere: 1 };
        assert_eq!(instances.sharing(&name("platform", "a")), alone);
        assert_eq!(instances.sharing(&name("web", "a")), alone);
    }

    #[test]
    fn a_status_that_tells_nothing_new_and_an_edit_of_something_else_concern_nobody() {
        let instances = Instances::default();
        let (a, b) = (name("platform", "a"), name("platform", "b"));
        instances.note(&a, Some(&connection("https://a.test", known(ONE))));
        instances.note(&b, Some(&connection("https://b.test", known(ONE))));
        assert_eq!(instances.note(&b, Some(&connection("https://b.test", known(ONE)))), BTreeSet::new());
        assert_eq!(instances.note(&b, Some(&connection("https://b.test", edited()))), BTreeSet::new());
        let moved = connection("https://c.test", json!({ "metadata": { "generation": 3 } }));
        assert_eq!(instances.note(&b, Some(&moved)), BTreeSet::from([a, b]));
    }

    /// A name, and what becomes of the connection: a URL, and perhaps a Cloud id.
    fn change() -> impl Strategy<Value = (ConnectionName, Option<JiraConnection>)> {
        let name = (0..2, 0..4).prop_map(|(namespace, it)| name(&format!("n{namespace}"), &format!("c{it}")));
        let connection = prop::option::of((0..3, prop::option::of("[12]"))).prop_map(|it| {
            it.map(|(host, digit)| {
                connection(
                    &format!("https://h{host}.test"),
                    digit.map_or(json!({ "status": { "observedGeneration": 1 } }), |digit| known(&id(&digit))),
                )
            })
        });
        (name, connection)
    }

    proptest! {
        /// Whatever comes in whatever order, the index says what a comparison of each with each would say, and whoever shares
        /// with others than before is told.
        #[test]
        fn the_index_is_as_good_as_comparing_all(changes in prop::collection::vec(change(), 1..24)) {
            let instances = Instances::default();
            let mut present: HashMap<ConnectionName, JiraConnection> = HashMap::new();
            let sharing = |present: &HashMap<ConnectionName, JiraConnection>, name: &ConnectionName| {
                let instance = |it: &JiraConnection| Instance::of(it, None).unwrap();
                let same = |one: &Instance, other: &Instance| {
                    one.site == other.site || one.cloud_id.is_some() && one.cloud_id == other.cloud_id
                };
                let own = present.get(name).map(instance);
                let others = present.iter().filter(|(other, it)| {
                    *other != name && own.as_ref().is_some_and(|own| same(own, &instance(it)))
                });
                let (here, elsewhere): (Vec<_>, Vec<_>) = others.map(|(other, _)| other).partition(|it| it.0 == name.0);
                Sharing { here: here.into_iter().map(|it| it.1.clone()).collect(), elsewhere: elsewhere.len() }
            };
            for (name, connection) in changes {
                let before = present.clone();
                let concerned = instances.note(&name, connection.as_ref());
                match connection {
                    Some(connection) => _ = present.insert(name, connection),
                    None => _ = present.remove(&name),
                }
                for name in before.keys().chain(present.keys()) {
                    let now = sharing(&present, name);
                    prop_assert_eq!(&instances.sharing(name), &now);
                    let told = concerned.contains(name);
                    prop_assert_eq!(told, sharing(&before, name).here != now.here, "{:?}", name);
                }
            }
        }
    }
}
