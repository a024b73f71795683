//! Carries out a plan: makes, mends and removes projected Secrets.
//!
//! In: a plan, and the Secret that was found. Out: what the status shall say.

use std::collections::BTreeMap;

use crds::WorkspaceBinding;
use k8s_openapi::ByteString;
use kube::ResourceExt;
use secrecy::ExposeSecret;

use super::{
    Error,
    decide::{Plan, Word},
    gather,
    memory::BindingName,
    projection::{ACCESS_TOKEN, ACCESS_TOKEN_ENDS_AT, Content, Projection, SECRET_TYPE},
};
use crate::{
    acceptance,
    context::Context,
    kubernetes::owned_secret::{Changes, OwnedSecret, Owner, WriteFault},
    lending::LentToken,
};

/// A plan that was carried out.
pub(super) struct Applied(Word);

impl Applied {
    pub(super) fn word(self) -> Word {
        self.0
    }
}

/// Carries out a plan.
///
/// # Errors
/// When the API server does not take a Secret or does not let it go, or somebody else was faster.
pub(super) async fn run(
    binding: &WorkspaceBinding,
    plan: Plan,
    own: Option<OwnedSecret>,
    ctx: &Context,
) -> Result<Applied, Error> {
    let owner = Owner::of(binding).ok_or(Error::Gone)?;
    let hand = Hand { binding, owner, name: (binding.namespace().unwrap_or_default(), binding.name_any()), ctx };
    let Plan { projection, word } = plan;
    match projection {
        Projection::Untouched => {}
        Projection::None => hand.clear(None).await?,
        Projection::AsItStands(name) => hand.clear(Some(&name)).await?,
        Projection::Present(content) => {
            hand.clear(Some(&content.name)).await?;
            hand.keep(&content, own).await?;
        }
    }
    Ok(Applied(word))
}

/// What works on the Secrets of one binding.
struct Hand<'a> {
    binding: &'a WorkspaceBinding,
    owner: Owner,
    name: BindingName,
    ctx: &'a Context,
}

impl Hand<'_> {
    /// Removes every Secret that was made for the binding but the one of the name `kept`.
    async fn clear(&self, kept: Option<&str>) -> Result<(), Error> {
        let told = self.binding.status.as_ref().and_then(|status| status.binding.as_ref());
        let mut names = self.ctx.concerns.held(&self.name);
        names.extend(told.map(|told| told.name.clone()));
        for name in names.iter().filter(|name| Some(name.as_str()) != kept) {
            if let (_, Some(own)) = gather::read(&self.owner, name, self.ctx).await? {
                self.remove(name, &own).await?;
            }
            self.ctx.concerns.lose(&self.name, name);
            self.ctx.own_writes.forget(&self.name.0, name);
        }
        Ok(())
    }

    /// Makes the Secret, or mends what differs.
    async fn keep(&self, content: &Content, own: Option<OwnedSecret>) -> Result<(), Error> {
        let loan = self.ctx.loans.get(&acceptance::named_connection(self.binding));
        let token = loan.as_ref().and_then(|loan| loan.token.as_ref()).filter(|_| content.token);
        let Some(own) = own else {
            return self.create(content, token).await;
        };
        let changes = changes(&own.data, content, token);
        if changes.is_empty() {
            return Ok(());
        }
        if own.immutable {
            // Somebody has sealed it; only another one can say something else.
            self.remove(&content.name, &own).await?;
            return self.create(content, token).await;
        }
        let written = self.owner.change(&self.ctx.client, &own, &changes).await;
        self.note(&content.name, written)
    }

    async fn create(&self, content: &Content, token: Option<&LentToken>) -> Result<(), Error> {
        let entries = desired(content, token);
        let data = entries.into_iter().map(|(key, value)| (key.to_owned(), ByteString(value))).collect();
        let made = self.owner.create(&self.ctx.client, &content.name, SECRET_TYPE, data).await;
        self.note(&content.name, made)
    }

    async fn remove(&self, name: &str, own: &OwnedSecret) -> Result<(), Error> {
        self.owner.remove(&self.ctx.client, own).await.map_err(|fault| refused(name, fault))
    }

    fn note(&self, name: &str, written: Result<OwnedSecret, WriteFault>) -> Result<(), Error> {
        let written = written.map_err(|fault| refused(name, fault))?;
        self.ctx.own_writes.note(&self.name.0, name, &written.version);
        self.ctx.concerns.hold(&self.name, name);
        Ok(())
    }
}

fn refused(name: &str, fault: WriteFault) -> Error {
    let name = name.to_owned();
    match fault {
        WriteFault::Overtaken => Error::Overtaken { name },
        WriteFault::Refused(source) => Error::WriteSecret { name, source },
    }
}

type Entries = BTreeMap<&'static str, Vec<u8>>;

fn desired(content: &Content, token: Option<&LentToken>) -> Entries {
    let mut entries: Entries = content.entries.iter().map(|(key, value)| (*key, value.clone().into_bytes())).collect();
    if let Some(LentToken { secret, ends_at }) = token {
        entries.insert(ACCESS_TOKEN, secret.expose_secret().as_bytes().to_vec());
        entries.insert(ACCESS_TOKEN_ENDS_AT, ends_at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into_bytes());
    }
    entries
}

/// What has to be changed of a Secret that stands, so that it says this and nothing else. A token that is due and not lent at
/// this moment is left as it is.
fn changes(standing: &BTreeMap<String, ByteString>, content: &Content, token: Option<&LentToken>) -> Changes<String> {
    let desired = desired(content, token);
    let left = |key: &str| content.token && token.is_none() && [ACCESS_TOKEN, ACCESS_TOKEN_ENDS_AT].contains(&key);
    let excess = standing.keys().filter(|key| !desired.contains_key(key.as_str()) && !left(key));
    let mut changes: Changes<String> = excess.map(|key| (key.clone(), None)).collect();
    let differing = desired.into_iter().filter(|(key, value)| standing.get(*key).map(|it| &it.0) != Some(value));
    changes.extend(differing.map(|(key, value)| (key.to_owned(), Some(value))));
    changes
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn content(token: bool) -> Content {
        let entries = BTreeMap::from([("type", "jira".to_owned()), ("projects", "WEB".to_owned())]);
        Content { name: "web-jira".into(), entries, token }
    }

    fn lent() -> LentToken {
        LentToken { secret: "canary".into(), ends_at: "2026-11-24T12:00:00.5Z".parse().unwrap() }
    }

    fn standing(data: &[(&str, &str)]) -> BTreeMap<String, ByteString> {
        data.iter().map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec()))).collect()
    }

    const PLAIN: [(&str, &str); 2] = [("projects", "WEB"), ("type", "jira")];
    const WITH_TOKEN: [(&str, &str); 4] =
        [PLAIN[0], PLAIN[1], (ACCESS_TOKEN, "canary"), (ACCESS_TOKEN_ENDS_AT, "2026-11-24T12:00:00Z")];

    #[rstest]
    #[case::as_it_shall_be(&PLAIN, false, None, &[])]
    #[case::with_the_token(&WITH_TOKEN, true, Some(lent()), &[])]
    #[case::with_the_token_of_before(&[PLAIN[0], PLAIN[1], (ACCESS_TOKEN, "old"), WITH_TOKEN[3]], true, Some(lent()), &["accessToken"])]
    #[case::without_its_token(&PLAIN, true, Some(lent()), &["accessToken", "accessTokenEndsAt"])]
    #[case::a_token_that_is_not_lent_now(&WITH_TOKEN, true, None, &[])]
    #[case::a_token_that_nobody_wants(&WITH_TOKEN, false, Some(lent()), &["-accessToken", "-accessTokenEndsAt"])]
    #[case::edited(&[("projects", "APP"), PLAIN[1]], false, None, &["projects"])]
    #[case::emptied(&[], false, None, &["projects", "type"])]
    #[case::with_something_added(&[PLAIN[0], PLAIN[1], ("password", "x")], false, None, &["-password"])]
    fn a_secret_is_changed_where_it_differs(
        #[case] data: &[(&str, &str)],
        #[case] token: bool,
        #[case] lent: Option<LentToken>,
        #[case] expected: &[&str],
    ) {
        let lent = lent.as_ref().filter(|_| token);
        let changes = changes(&standing(data), &content(token), lent);
        let told: Vec<_> =
            changes.iter().map(|(key, value)| if value.is_some() { key.clone() } else { format!("-{key}") }).collect();
        assert_eq!(told, expected);
    }
}
