//! The Jiras that the examples speak of.
//!
//! The examples name hosts such as `jira.acme.example`, which lead nowhere. The demo puts simulators in their place: it
//! replaces each host by the address of the simulated one, and each certificate of an authority by that of the simulator.

use serde::Deserialize;
use serde_yaml::Value;

use crate::jira::{self, Credential, Mutation, Scenario, Simulator};

const CLOUD: &str = include_str!("cloud.yaml");
const PREMISES: &str = include_str!("premises.yaml");

/// The Jira, account and tokens of the live change.
const TRACKER: &str = "tracker.acme.example";
const TRACKER_BOT: &str = "JIRAUSER10200";
const OLD_TOKEN: &str = "not-a-real-token-of-tracker-bot";

/// The token that replaces the one of `04-binding.yaml`.
pub const NEW_TOKEN: &str = "not-a-real-token-that-replaces-it";

/// Simulators of Atlassian and of the company, with an authority each: the operator as a whole trusts the first one, and the
/// second one only where a connection says so.
#[derive(Debug)]
pub struct World {
    cloud: Simulator,
    premises: Simulator,
    /// Hosts in the examples, and the addresses in their place.
    hosts: Vec<(String, String)>,
}

/// Failure to start the simulators or to fit an example to them.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// A simulator does not start, or does not know what is to be changed.
    #[error("the Jira simulator failed")]
    Simulator(#[from] jira::Error),
    /// A description of a simulator, or an example, is not YAML.
    #[error("not YAML")]
    Yaml(#[from] serde_yaml::Error),
}

impl World {
    /// Starts the simulators.
    ///
    /// # Errors
    ///
    /// When there is no free port.
    pub fn start() -> Result<Self, WorldError> {
        let play = |text: &str| Ok::<_, WorldError>(Simulator::play(serde_yaml::from_str::<Scenario>(text)?)?);
        let (cloud, premises) = (play(CLOUD)?, play(PREMISES)?);
        let hosts = [&cloud, &premises].into_iter().flat_map(|simulator| simulator.addresses().instances);
        let hosts = hosts.map(|(host, url)| (host, authority(&url).to_owned())).collect();
        Ok(Self { cloud, premises, hosts })
    }

    /// The simulator in Atlassian's place.
    #[must_use]
    pub fn cloud(&self) -> &Simulator {
        &self.cloud
    }

    /// Hosts in the examples, and the addresses in their place.
    #[must_use]
    pub fn hosts(&self) -> &[(String, String)] {
        &self.hosts
    }

    /// Puts the simulators in the place of the hosts and authorities of an example.
    ///
    /// # Errors
    ///
    /// When it is not YAML.
    pub fn fit(&self, yaml: &str) -> Result<String, WorldError> {
        let mut fitted = String::new();
        for document in serde_yaml::Deserializer::from_str(yaml) {
            let mut object = Value::deserialize(document)?;
            self.fit_value(&mut object);
            fitted.push_str("---\n");
            fitted.push_str(&serde_yaml::to_string(&object)?);
        }
        Ok(fitted)
    }

    fn fit_value(&self, value: &mut Value) {
        match value {
            Value::String(text) if text.contains("-----BEGIN CERTIFICATE-----") => {
                self.premises.ca_pem().clone_into(text);
            }
            Value::String(text) => {
                for (host, address) in &self.hosts {
                    *text = text.replace(host, address);
                }
            }
            Value::Sequence(items) => items.iter_mut().for_each(|item| self.fit_value(item)),
            Value::Mapping(fields) => fields.values_mut().for_each(|field| self.fit_value(field)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Tagged(_) => {}
        }
    }

    /// Jira no longer accepts the token of `04-binding.yaml`.
    ///
    /// # Errors
    ///
    /// When it was revoked before.
    pub fn revoke_token(&self) -> Result<(), WorldError> {
        let revocation = Mutation::RevokeCredential { credential: OLD_TOKEN.to_owned() };
        Ok(self.premises.mutate(TRACKER, &revocation)?)
    }

    /// Jira issues [`NEW_TOKEN`] for the same account.
    ///
    /// # Errors
    ///
    /// When the account is gone.
    pub fn issue_token(&self) -> Result<(), WorldError> {
        let credential = Credential::PersonalAccessToken {
            token: NEW_TOKEN.to_owned(),
            name: "operator".to_owned(),
            created_at: None,
            expiring_at: None,
        };
        let issue = Mutation::AddCredential { account: TRACKER_BOT.to_owned(), credential };
        Ok(self.premises.mutate(TRACKER, &issue)?)
    }
}

/// Host and port of a URL with https.
fn authority(url: &str) -> &str {
    let rest = url.strip_prefix("https://").unwrap_or(url);
    rest.split('/').next().unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::path("https://127.0.0.1:4242/jira", "127.0.0.1:4242")]
    #[case::bare("https://127.0.0.1:4242", "127.0.0.1:4242")]
    fn the_authority_of_a_url_has_its_port(#[case] url: &str, #[case] expected: &str) {
        assert_eq!(authority(url), expected);
    }

    #[test]
    fn hosts_and_certificates_of_an_example_are_replaced() {
        let world = World::start().unwrap();
        let text = "url: https://jira.acme.example/jira\nca: |\n  -----BEGIN CERTIFICATE-----\n  yours\nemail: jo@acme.example\n";
        let fitted: Value = serde_yaml::from_str(&world.fit(text).unwrap()).unwrap();
        let (_, address) = world.hosts().iter().find(|(host, _)| host == "jira.acme.example").unwrap();
        assert_eq!(fitted["url"], format!("https://{address}/jira").as_str());
        assert_eq!(fitted["ca"], world.premises.ca_pem());
        assert_eq!(fitted["email"], "jo@acme.example");
    }
}
