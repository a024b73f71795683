//! `verify`: a person gives the code that Jira shows at the end of OAuth 1.0a.

use super::{
    arguments::Verify,
    authorization::{Authorization, now},
    cluster::Cluster,
    console::Console,
    error::Error,
    record::Record,
    verdict::Verdict,
};
use crate::auth::authorization_secret::{AuthorizationSecret, Hash, ReturnBy, VERIFICATION_CODE, VerificationCode};

/// Hands over the code, and waits for the outcome.
///
/// # Errors
/// When no attempt awaits a code, the text is none, or no outcome comes.
pub async fn run(arguments: &Verify, cluster: &Cluster, console: Console) -> Result<Verdict, Error> {
    let authorization = Authorization::of(cluster, &arguments.name.0);
    let hash = awaited(&authorization.read().await?, &arguments.name.0)?;
    let text = match &arguments.code {
        Some(code) => {
            console.remark(
                "A code among the arguments is seen in process lists and in the shell's history. Leave it out to be asked for it.",
            );
            code.clone()
        }
        None => console.ask("Code:").await?.unwrap_or_default(),
    };
    let code = VerificationCode::read(&text).ok_or(Error::NotACode)?;
    authorization.write(&[(VERIFICATION_CODE, Some(code.expose()))]).await?;
    let outcome = authorization.outcome(&hash, arguments.timeout, console).await?;
    let record = Record::of(&arguments.name.0, &cluster.namespace);
    Record { outcome: Some(outcome.into()), ..record }.tell(arguments.output, console)
}

/// Hash of the key of the attempt that awaits a code.
fn awaited(secret: &AuthorizationSecret, name: &str) -> Result<Hash, Error> {
    let refuse = |cause| Err(Error::NoCodeAwaited { name: name.to_owned(), cause });
    if secret.link.is_none() {
        return refuse("its method has none, or the operator has not prepared it");
    }
    match secret.open_attempt(now()) {
        None => refuse("no attempt is under way, or it took too long"),
        Some(attempt) => match attempt.return_by {
            ReturnBy::Code => Ok(attempt.key_hash.clone()),
            ReturnBy::Callback => refuse("the attempt under way returns to the operator's page by itself"),
        },
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;
    use rstest::rstest;

    use super::*;
    use crate::{
        auth::authorization_secret::{Attempt, State},
        plugin::record::tests::link,
    };

    fn secret(deadline: Timestamp, return_by: ReturnBy) -> AuthorizationSecret {
        let attempt = Attempt {
            key_hash: Hash::of("key"),
            state: State::presented("a.b.c").unwrap(),
            authorization_url: "https://jira.example".into(),
            deadline,
            return_by,
        };
        AuthorizationSecret {
            link: Some(link()),
            key_hash: Some(Hash::of("key")),
            attempt: Some(attempt),
            ..AuthorizationSecret::default()
        }
    }

    #[test]
    fn an_open_attempt_by_code_awaits_one() {
        assert_eq!(awaited(&secret(Timestamp::MAX, ReturnBy::Code), "acme").unwrap(), Hash::of("key"));
    }

    #[rstest]
    #[case::over(secret(Timestamp::UNIX_EPOCH, ReturnBy::Code), "no attempt is under way, or it took too long")]
    #[case::by_callback(secret(Timestamp::MAX, ReturnBy::Callback), "returns to the operator's page by itself")]
    #[case::oauth2(AuthorizationSecret { link: None, ..secret(Timestamp::MAX, ReturnBy::Code) }, "its method has none")]
    #[case::another_key(AuthorizationSecret { key_hash: Some(Hash::of("other")), ..secret(Timestamp::MAX, ReturnBy::Code) }, "no attempt is under way")]
    fn nothing_else_takes_a_code(#[case] secret: AuthorizationSecret, #[case] cause: &str) {
        let error = awaited(&secret, "acme").unwrap_err().to_string();
        assert!(error.contains(cause), "{error}");
    }
}
