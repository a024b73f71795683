//! The two Secrets that the operator makes for a connection, into which people and their programs write.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::{ByteString, jiff::Timestamp};
use secrecy::{ExposeSecret, SecretString};

use super::{assert_undisclosed, text};
use crate::{
    auth::{
        authorization_secret::{Answer, AuthorizationSecret},
        grant::{Grant, Tokens},
        grant_secret::{self, GrantSecret},
        keeping::{self, Holder, Settlement, Stored, Turn},
    },
    connection::handshake::Handshake,
};

/// The longest that anybody's word holds that he is renewing a grant.
const LONGEST_CLAIM: Duration = Duration::from_secs(90);

/// Whatever stands in them can be worked with and shows no secret, and a grant that can be read is stored again as it was.
///
/// Each line is `key=value`; both Secrets are read from the same lines.
pub fn owned_secrets(bytes: &[u8]) {
    let data = data(text(bytes));
    let (authorization, stored) = (AuthorizationSecret::read(&data), GrantSecret::read(&data));
    let now = Timestamp::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    assert!(
        authorization.open_attempt(now).is_none_or(|attempt| now < attempt.deadline),
        "an attempt that is over is open"
    );
    if let Some(Answer::Code { code: secret, state } | Answer::Verifier { oauth_verifier: secret, state, .. }) =
        &authorization.answer
    {
        assert_undisclosed(secret, &format!("{:?}", authorization.answer), &[state.as_str()]);
    }
    _ = Handshake::read(Some(&authorization), &stored, None);
    let Some(grant) = stored.grant.present() else { return };
    let shown = format!("{stored:?}");
    let site = format!("{:?}", grant.site);
    let words = [&grant.account, &grant.redirect_uri].into_iter().flatten().map(String::as_str);
    let open: Vec<_> = words.chain([grant.client.as_str(), site.as_str()]).collect();
    tokens(grant).for_each(|token| assert_undisclosed(token.expose_secret(), &shown, &open));

    let again: Grant = serde_json::from_slice(&grant_secret::stored(grant)).expect("what was stored can be read");
    assert!(again.has_tokens_of(grant), "tokens are stored as they are");
    let (me, claim) = (Holder("me".into()), stored.claim.as_ref().map(|claim| (claim, now)));
    if let Turn::Wait { until } = keeping::turn(Stored { grant, claim }, grant.renewals, &me, now) {
        assert!(until <= now + LONGEST_CLAIM, "a claim is waited for until {until}");
    }
    let settled = keeping::settle(grant, Ok(again.tokens), false, now);
    assert!(matches!(settled, Settlement::Store(renewed) if renewed.has_tokens_of(grant)), "new tokens are stored");
}

fn tokens(grant: &Grant) -> impl Iterator<Item = &SecretString> {
    let (first, second) = match &grant.tokens {
        Tokens::OAuth2 { access_token, refresh_token, .. } => (access_token, refresh_token),
        Tokens::OAuth1 { token, session_handle, .. } => (token, session_handle),
    };
    [first].into_iter().chain(second)
}

/// The data of a Secret.
pub(super) fn data(text: &str) -> BTreeMap<String, ByteString> {
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs.map(|(key, value)| (key.to_owned(), ByteString(value.as_bytes().to_vec()))).collect()
}
