//! Answers in the place of the network: whatever is asked gets the next one. For the laws of `fuzzing`, and compiled with them alone.

use std::{cell::RefCell, collections::VecDeque};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::answer::Answer;

/// Stands between two answers: RS, the record separator.
const SEPARATOR: u8 = 0x1E;

thread_local! {
    static ANSWERS: RefCell<VecDeque<Answer>> = const { RefCell::new(VecDeque::new()) };
}

/// Answers what this thread asks from now on, in turn; the last one again and again.
///
/// Each is written as HTTP is: a line with the status, a line for each header, an empty line, the body. What cannot be read as a
/// header is none, and a status that is no number is 200.
pub(crate) fn rehearse(script: &[u8]) {
    ANSWERS.set(script.split(|byte| *byte == SEPARATOR).map(answer).collect());
}

/// Lets this thread ask the network again.
pub(crate) fn end() {
    ANSWERS.take();
}

/// The next answer; `None` where nothing is rehearsed.
pub(super) fn next() -> Option<Answer> {
    ANSWERS.with_borrow_mut(|answers| match answers.len() {
        0 => None,
        1 => answers.front().map(|last| Answer {
            status: last.status,
            headers: last.headers.clone(),
            body: last.body.clone(),
        }),
        _ => answers.pop_front(),
    })
}

fn answer(text: &[u8]) -> Answer {
    let end = text.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = end.map_or((text, &[][..]), |end| (&text[..end], &text[end + 2..]));
    let mut lines = head.split(|byte| *byte == b'\n');
    let status = lines.next().and_then(|line| std::str::from_utf8(line).ok()?.trim().parse().ok()).unwrap_or(200);
    let mut headers = HeaderMap::new();
    for line in lines {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    Answer { status, headers, body: body.to_vec() }
}
