//! The decisions of the pages, as tables: Secret, cookie, question and time in, what follows out.

use rstest::rstest;

use super::*;
use crate::{
    auth::authorization_secret::{ANSWER, ATTEMPT, Answer, BROWSER_HASH, KEY_HASH, OUTCOME, State, VERIFICATION_CODE},
    web::{
        attempt::{self, Standing},
        callback,
        case::Protocol,
        form::Fields,
        result::{self, Progress},
        start::{self, Begin},
        turnaway::Turnaway,
        verify,
    },
};

/// What a Secret of the tables holds besides its key hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    /// An attempt that is open for a minute.
    Attempt,
    /// An attempt whose time is over.
    OldAttempt,
    /// An attempt for another key.
    OtherAttempt,
    /// An attempt whose answer is a code that a person brings.
    CodeAttempt,
    /// The browser of these tests.
    Browser,
    /// Another browser.
    OtherBrowser,
    /// Jira's answer.
    Answer,
    /// A verification code.
    Code,
    /// The end of the attempt.
    Outcome,
    /// The end of the attempt, as its time was over.
    Lapse,
    /// The end of another attempt.
    OtherOutcome,
    /// A newer key.
    NewerKey,
    /// No key.
    NoKey,
}
use Holds::{
    Answer as Answered, Attempt, Browser, Code, CodeAttempt, Lapse, NewerKey, NoKey, OldAttempt, OtherAttempt,
    OtherBrowser, OtherOutcome, Outcome,
};

fn holding(holds: &[Holds], cookie: &BrowserCookie) -> AuthorizationSecret {
    let (mine, browser, other) = (Hash::of(KEY), cookie.hash(), cookie_for(KEY).hash());
    let newer = Hash::of("newer");
    let soon = noon() + std::time::Duration::from_secs(60);
    let open = attempt(KEY, soon, "Callback");
    let (old, by_code) = (attempt(KEY, noon(), "Callback"), attempt(KEY, soon, "Code"));
    let of_other = attempt("other", soon, "Callback");
    let (end, end_of_other) = (outcome(KEY, "Granted", "Fine."), outcome("other", "Granted", "Fine."));
    let lapse = outcome(KEY, "Expired", "Late.");
    let answer = json!({ "type": "code", "state": STATE, "code": "first" }).to_string();
    let mut entries = vec![(KEY_HASH, mine.as_str())];
    for it in holds {
        match it {
            Attempt => entries.push((ATTEMPT, &open)),
            OldAttempt => entries.push((ATTEMPT, &old)),
            OtherAttempt => entries.push((ATTEMPT, &of_other)),
            CodeAttempt => entries.push((ATTEMPT, &by_code)),
            Browser => entries.push((BROWSER_HASH, browser.as_str())),
            OtherBrowser => entries.push((BROWSER_HASH, other.as_str())),
            Answered => entries.push((ANSWER, &answer)),
            Code => entries.push((VERIFICATION_CODE, "first")),
            Outcome => entries.push((OUTCOME, &end)),
            Lapse => entries.push((OUTCOME, &lapse)),
            OtherOutcome => entries.push((OUTCOME, &end_of_other)),
            NewerKey => entries[0] = (KEY_HASH, newer.as_str()),
            NoKey => entries[0] = ("page", "https://operator.example"),
        }
    }
    secret(&entries)
}

#[rstest]
#[case::reconciler_not_there_yet(&[], "wait")]
#[case::an_older_attempt_is_still_there(&[OtherAttempt], "wait")]
#[case::first(&[Attempt], "bind")]
#[case::again(&[Attempt, Browser], "go on")]
#[case::again_after_the_answer(&[Attempt, Browser, Answered], "go on")]
#[case::second_browser(&[Attempt, OtherBrowser], "OtherBrowser")]
#[case::too_late(&[OldAttempt], "Expired")]
#[case::over(&[NoKey, Outcome], "over")]
#[case::failed_before_it_began(&[NoKey, Outcome], "over")]
#[case::key_of_another_time(&[NoKey, OtherOutcome], "denied")]
#[case::newer_key(&[NewerKey, Attempt], "denied")]
#[case::never_asked(&[NoKey], "denied")]
fn pressing_the_button(#[case] holds: &[Holds], #[case] expected: &str) {
    let cookie = cookie_for(KEY);
    let secret = holding(holds, &cookie);
    let told = match start::decide(&secret, &key(), Some(&cookie), noon()) {
        Begin::Wait => "wait".to_owned(),
        Begin::Bind(_) => "bind".to_owned(),
        Begin::GoOn => "go on".to_owned(),
        Begin::Over(_) => "over".to_owned(),
        Begin::Denied => "denied".to_owned(),
        Begin::No(turnaway) => format!("{turnaway:?}"),
    };
    assert_eq!(told, expected);
}

#[test]
fn a_browser_without_the_cookie_is_another_one() {
    let secret = holding(&[Attempt, Browser], &cookie_for(KEY));
    assert_eq!(start::decide(&secret, &key(), None, noon()), Begin::No(Turnaway::OtherBrowser));
    let wrong = Key::presented("wrong");
    assert_eq!(start::decide(&secret, &wrong, None, noon()), Begin::Denied);
}

#[rstest]
#[case::at_jira(&[Attempt, Browser], "at Jira")]
#[case::by_code(&[CodeAttempt, Browser], "at Jira")]
#[case::answered(&[Attempt, Browser, Answered], "answered")]
#[case::answered_late(&[OldAttempt, Browser, Answered], "answered")]
#[case::code_brought(&[CodeAttempt, Browser, Code], "answered")]
#[case::over(&[NoKey, Outcome], "answered")]
#[case::expired(&[OldAttempt, Browser], "Expired")]
#[case::expired_and_ended(&[NoKey, Lapse], "Expired")]
#[case::never_begun_here(&[Attempt, OtherBrowser], "NotUnderWay")]
#[case::not_begun(&[Attempt], "NotUnderWay")]
#[case::vanished(&[Browser], "NotUnderWay")]
#[case::all_gone(&[NoKey], "NotUnderWay")]
#[case::end_of_another(&[NoKey, OtherOutcome], "NotUnderWay")]
#[case::newer_key(&[NewerKey, Attempt, Browser], "Replaced")]
#[case::newer_attempt(&[OtherAttempt, Browser], "Replaced")]
fn coming_back_to_an_attempt(#[case] holds: &[Holds], #[case] expected: &str) {
    let cookie = cookie_for(KEY);
    let secret = holding(holds, &cookie);
    let told = match attempt::decide(&secret, &cookie, noon()) {
        Standing::AtJira(_) => "at Jira".to_owned(),
        Standing::Answered => "answered".to_owned(),
        Standing::No(turnaway) => format!("{turnaway:?}"),
    };
    assert_eq!(told, expected);
}

#[rstest]
#[case::by_code(&[CodeAttempt, Browser], None)]
#[case::by_callback(&[Attempt, Browser], Some(Turnaway::NotAnAnswer))]
#[case::twice(&[CodeAttempt, Browser, Code], Some(Turnaway::AlreadyUsed))]
#[case::after_the_end(&[NoKey, Outcome], Some(Turnaway::AlreadyUsed))]
#[case::second_browser(&[CodeAttempt, OtherBrowser], Some(Turnaway::NotUnderWay))]
#[case::too_late(&[OldAttempt, Browser], Some(Turnaway::Expired))]
#[case::too_late_and_ended(&[NoKey, Lapse], Some(Turnaway::Expired))]
fn bringing_a_code(#[case] holds: &[Holds], #[case] refused: Option<Turnaway>) {
    let cookie = cookie_for(KEY);
    assert_eq!(verify::decide(&holding(holds, &cookie), &cookie, noon()).err(), refused);
}

#[rstest]
#[case::over(&[NoKey, Outcome], "over")]
#[case::expired_and_ended(&[NoKey, Lapse], "over")]
#[case::over_before_the_rest_is_removed(&[Attempt, Browser, Answered, Outcome], "over")]
#[case::working(&[Attempt, Browser, Answered], "working")]
#[case::working_on_a_code(&[CodeAttempt, Browser, Code], "working")]
#[case::working_past_the_deadline(&[OldAttempt, Browser, Answered], "working")]
#[case::at_jira(&[Attempt, Browser], "at Jira")]
#[case::expired(&[OldAttempt, Browser], "Expired")]
#[case::vanished(&[NoKey], "NotUnderWay")]
#[case::of_another(&[NoKey, OtherOutcome], "NotUnderWay")]
#[case::second_browser(&[Attempt, OtherBrowser, Answered], "NotUnderWay")]
fn asking_for_the_result(#[case] holds: &[Holds], #[case] expected: &str) {
    let cookie = cookie_for(KEY);
    let secret = holding(holds, &cookie);
    let told = match result::decide(&secret, &cookie, noon()) {
        Progress::Over(_) => "over".to_owned(),
        Progress::Working => "working".to_owned(),
        Progress::AtJira => "at Jira".to_owned(),
        Progress::No(turnaway) => format!("{turnaway:?}"),
    };
    assert_eq!(told, expected);
}

fn code(state: &str) -> Answer {
    Answer::Code { state: State::presented(state).unwrap(), code: "second".into() }
}

fn verifier() -> Answer {
    let state = State::presented(STATE).unwrap();
    Answer::Verifier { state, oauth_token: "t".into(), oauth_verifier: "v".into() }
}

#[rstest]
#[case::good(&[Attempt, Browser], Protocol::OAuth2, code(STATE), None)]
#[case::good_of_oauth_1(&[Attempt, Browser], Protocol::OAuth1, verifier(), None)]
#[case::forged_state(&[Attempt, Browser], Protocol::OAuth2, code("team.acme.F0RGED"), Some(Turnaway::NotUnderWay))]
#[case::other_connection(&[Attempt, Browser], Protocol::OAuth2, code("team.other.R4ND0M"), Some(Turnaway::NotUnderWay))]
#[case::second_browser(&[Attempt, OtherBrowser], Protocol::OAuth2, code(STATE), Some(Turnaway::OtherBrowser))]
#[case::no_button_was_pressed(&[Attempt], Protocol::OAuth2, code(STATE), Some(Turnaway::NotUnderWay))]
#[case::replayed(&[Attempt, Browser, Answered], Protocol::OAuth2, code(STATE), Some(Turnaway::AlreadyUsed))]
#[case::replayed_after_the_end(&[NoKey, Outcome], Protocol::OAuth2, code(STATE), Some(Turnaway::AlreadyUsed))]
#[case::vanished(&[NoKey], Protocol::OAuth2, code(STATE), Some(Turnaway::NotUnderWay))]
#[case::too_late(&[OldAttempt, Browser], Protocol::OAuth2, code(STATE), Some(Turnaway::Expired))]
#[case::too_late_and_ended(&[NoKey, Lapse], Protocol::OAuth2, code(STATE), Some(Turnaway::Expired))]
#[case::newer_key(&[NewerKey, Attempt, Browser], Protocol::OAuth2, code(STATE), Some(Turnaway::Replaced))]
#[case::other_protocol(&[Attempt, Browser], Protocol::OAuth2, verifier(), Some(Turnaway::NotAnAnswer))]
#[case::other_protocol_again(&[Attempt, Browser], Protocol::OAuth1, code(STATE), Some(Turnaway::NotAnAnswer))]
#[case::a_code_was_due(&[CodeAttempt, Browser], Protocol::OAuth1, verifier(), Some(Turnaway::NotAnAnswer))]
fn coming_back_from_jira(
    #[case] holds: &[Holds],
    #[case] protocol: Protocol,
    #[case] answer: Answer,
    #[case] refused: Option<Turnaway>,
) {
    let cookie = cookie_for(KEY);
    let secret = holding(holds, &cookie);
    assert_eq!(callback::decide(&secret, protocol, &answer, Some(&cookie), noon()).err(), refused);
}

#[test]
fn a_callback_without_the_cookie_is_another_browsers() {
    let secret = holding(&[Attempt, Browser], &cookie_for(KEY));
    let outcome = callback::decide(&secret, Protocol::OAuth2, &code(STATE), None, noon());
    assert_eq!(outcome, Err(Turnaway::OtherBrowser));
}

#[rstest]
#[case::code("code=c0de&state=team.acme.R", Some(r#"{"type":"code","state":"team.acme.R","code":"c0de"}"#))]
#[case::more("code=c0de&state=team.acme.R&session=x", Some(r#"{"type":"code","state":"team.acme.R","code":"c0de"}"#))]
#[case::verifier(
    "state=team.acme.R&oauth_token=t&oauth_verifier=v",
    Some(r#"{"type":"verifier","state":"team.acme.R","oauthToken":"t","oauthVerifier":"v"}"#)
)]
#[case::refused(
    "error=access_denied&state=team.acme.R",
    Some(r#"{"type":"refused","state":"team.acme.R","error":"access_denied"}"#)
)]
#[case::refused_with_words(
    "error=access_denied&error_description=No%0D%0Away&state=team.acme.R",
    Some(r#"{"type":"refused","state":"team.acme.R","error":"access_denied","errorDescription":"Noway"}"#)
)]
#[case::nothing("", None)]
#[case::no_state("code=c0de", None)]
#[case::no_code("state=team.acme.R", None)]
#[case::empty_code("code=&state=team.acme.R", None)]
#[case::odd_state("code=c0de&state=../../x", None)]
#[case::two_states("code=c0de&state=team.acme.R&state=team.acme.S", None)]
#[case::two_codes("code=c0de&code=other&state=team.acme.R", None)]
#[case::code_and_error("code=c0de&error=access_denied&state=team.acme.R", None)]
#[case::code_and_verifier("code=c0de&oauth_verifier=v&oauth_token=t&state=team.acme.R", None)]
#[case::half_a_verifier("oauth_verifier=v&state=team.acme.R", None)]
#[case::line_break("code=c0de%0D%0ASet-Cookie:%20a=b&state=team.acme.R", None)]
#[case::not_ascii("code=c%C3%B6de&state=team.acme.R", None)]
fn only_what_jira_sends_is_an_answer(#[case] query: &str, #[case] stored: Option<&str>) {
    let answer = callback::answer(&Fields::of_query(Some(query)));
    assert_eq!(answer.map(|answer| json!(answer)), stored.map(|text| serde_json::from_str(text).unwrap()));
}

#[test]
fn endless_values_are_no_answer() {
    for query in [format!("code={}&state=a.b.c", "x".repeat(4097)), format!("error={}&state=a.b.c", "x".repeat(129))] {
        assert!(callback::answer(&Fields::of_query(Some(&query))).is_none());
    }
    let long = format!("error=e&error_description={}&state=a.b.c", "x".repeat(4000));
    let Some(Answer::Refused { error_description, .. }) = callback::answer(&Fields::of_query(Some(&long))) else {
        panic!("a refusal")
    };
    assert_eq!(error_description.map(|text| text.len()), Some(512));
}
