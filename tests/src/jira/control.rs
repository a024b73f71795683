//! The control endpoint.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::fault::Rule;
use super::instance::{App, Instance};
use super::journal::Mark;
use super::message::{Reply, Request};
use super::mutation::Mutation;
use super::{Core, Error};

/// Why a control request failed.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("{0}")]
    Body(#[from] serde_json::Error),
    #[error(transparent)]
    Simulator(#[from] Error),
    #[error("no such resource")]
    Resource,
    #[error("since is not a number")]
    Since,
}

impl Refusal {
    fn status(&self) -> u16 {
        match self {
            Self::Simulator(Error::Exists(_)) => 409,
            Self::Simulator(Error::NoInstance(_) | Error::NoApp(_) | Error::Missing { .. }) | Self::Resource => 404,
            Self::Body(_) | Self::Simulator(_) | Self::Since => 400,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, untagged)]
enum Setting {
    #[serde(rename_all = "camelCase")]
    At { now: Timestamp },
    #[serde(rename_all = "camelCase")]
    Ahead { advance_seconds: u64 },
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Name {
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Client {
    client_id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct User {
    user: String,
}

fn body<T: DeserializeOwned>(request: &Request) -> Result<T, Refusal> {
    Ok(serde_json::from_slice(&request.body)?)
}

fn shown(value: &impl Serialize) -> Result<Reply, Refusal> {
    Ok(Reply::json(200, &serde_json::to_value(value)?))
}

impl Core {
    pub(super) fn control(self: &Arc<Self>, request: &Request) -> Reply {
        match self.controlled(request) {
            Ok(reply) => reply,
            Err(refusal) => Reply::json(refusal.status(), &json!({"error": refusal.to_string()})),
        }
    }

    fn controlled(self: &Arc<Self>, request: &Request) -> Result<Reply, Refusal> {
        let segments: Vec<&str> = request.path.trim_matches('/').split('/').collect();
        match (request.method.as_str(), segments.as_slice()) {
            ("GET", ["addresses"]) => shown(&self.addresses()),
            ("GET", ["ca"]) => {
                let pem = self.authority.pem().to_owned();
                Ok(Reply::new(200).header("Content-Type", "application/x-pem-file").body(pem))
            }
            ("POST", ["client-certificates"]) => {
                let identity = self.authority.client(&body::<Name>(request)?.name)?;
                Ok(Reply::json(200, &json!({"certificate": identity.certificate, "key": identity.key})))
            }
            ("GET", ["clock"]) => shown(&json!({"now": self.clock.now()})),
            ("PUT", ["clock"]) => {
                match body(request)? {
                    Setting::At { now } => self.clock.set(now),
                    Setting::Ahead { advance_seconds } => self.clock.advance(Duration::from_secs(advance_seconds)),
                }
                shown(&json!({"now": self.clock.now()}))
            }
            ("GET", ["journal"]) => self.journal_since(request),
            ("POST", ["quotas"]) => {
                self.exhaust_quota(&body::<Client>(request)?.client_id);
                shown(&json!({}))
            }
            ("POST", ["instances"]) => shown(&json!({"url": self.add(body(request)?)?})),
            ("GET", ["apps"]) => shown(&self.apps()),
            ("POST", ["apps"]) => {
                self.register(body(request)?)?;
                shown(&self.apps())
            }
            (_, ["apps", client_id]) => self.control_app(request, client_id),
            (_, ["instances", name, rest @ ..]) => self.control_instance(request, name, rest),
            (_, ["faults", target]) => self.control_faults(request, target),
            _ => Err(Refusal::Resource),
        }
    }

    fn journal_since(&self, request: &Request) -> Result<Reply, Refusal> {
        let since = request.parameter("since").filter(|since| !since.is_empty());
        let since: u64 = since.map_or(Ok(0), |since| since.parse()).map_err(|_| Refusal::Since)?;
        match request.parameter("instance").filter(|instance| !instance.is_empty()) {
            Some(instance) => shown(&self.journal.of(&instance, Mark(since))),
            None => shown(&self.journal.since(Mark(since))),
        }
    }

    fn control_app(&self, request: &Request, client_id: &str) -> Result<Reply, Refusal> {
        let present = self.app(client_id)?;
        match request.method.as_str() {
            "GET" => shown(&present),
            "PUT" => {
                let app: App = body(request)?;
                if app.client_id != client_id {
                    return Err(Error::NoApp(app.client_id).into());
                }
                self.replace_app(app)?;
                shown(&self.app(client_id)?)
            }
            "DELETE" => {
                self.unregister(client_id)?;
                shown(&present)
            }
            _ => Err(Refusal::Resource),
        }
    }

    fn control_instance(&self, request: &Request, name: &str, rest: &[&str]) -> Result<Reply, Refusal> {
        match (request.method.as_str(), rest) {
            ("GET", []) => shown(&self.instance(name)?),
            ("PUT", []) => {
                let instance: Instance = body(request)?;
                if instance.name != name {
                    return Err(Error::NoInstance(instance.name).into());
                }
                self.replace(instance)?;
                shown(&self.instance(name)?)
            }
            ("DELETE", []) => {
                let instance = self.instance(name)?;
                self.remove(name)?;
                shown(&instance)
            }
            ("POST", ["mutations"]) => {
                self.mutate(name, &body::<Mutation>(request)?)?;
                shown(&json!({}))
            }
            ("POST", ["unlock"]) => {
                self.unlock(name, &body::<User>(request)?.user)?;
                shown(&json!({}))
            }
            _ => Err(Refusal::Resource),
        }
    }

    fn control_faults(&self, request: &Request, target: &str) -> Result<Reply, Refusal> {
        let mut rules = self.faults(target)?;
        match request.method.as_str() {
            "GET" => {}
            "POST" => rules.push(body::<Rule>(request)?),
            "PUT" => rules = body(request)?,
            "DELETE" => rules.clear(),
            _ => return Err(Refusal::Resource),
        }
        self.set_faults(target, rules)?;
        let rules: Value = serde_json::to_value(self.faults(target)?)?;
        Ok(Reply::json(200, &rules))
    }
}
