//! `completion`: scripts for shells, and the words that kubectl asks its plugins for.

use clap::{Command, CommandFactory, ValueHint};

use super::{
    arguments::{Arguments, CompleteWords, Completion},
    console::Console,
    error::Error,
    verdict::Verdict,
};

/// What tells kubectl that files are no completion (`ShellCompDirectiveNoFileComp` of Cobra).
const NO_FILES: &str = ":4";

/// What leaves the completion of files to the shell (`ShellCompDirectiveDefault` of Cobra).
const FILES: &str = ":0";

/// Prints the script of a shell for `kubectl-jira`.
///
/// # Errors
/// When standard output is closed.
pub fn script(arguments: &Completion, console: Console) -> Result<Verdict, Error> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "kubectl-jira", &mut script);
    console.say(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Verdict::Good)
}

/// Prints what may follow, one word a line with its meaning, and then a directive, as kubectl asks `kubectl_complete-jira`.
///
/// # Errors
/// When standard output is closed.
pub fn words(arguments: &CompleteWords, console: Console) -> Result<Verdict, Error> {
    console.say(&candidates(&arguments.words))?;
    Ok(Verdict::Good)
}

fn candidates(words: &[String]) -> String {
    let (last, before) = words.split_last().map_or(("", &[][..]), |(last, before)| (last.as_str(), before));
    let mut root = Arguments::command();
    root.build();
    let mut command = &root;
    for word in before {
        command = command.find_subcommand(word).unwrap_or(command);
    }
    if before.last().is_some_and(|word| asks_for_file(command, word)) {
        return FILES.to_owned();
    }
    let found = if last.starts_with('-') { flags(command) } else { values(command) };
    let mut lines: Vec<_> = found.into_iter().filter(|line| line.starts_with(last)).collect();
    lines.push(NO_FILES.to_owned());
    lines.join("\n")
}

/// Whether a flag wants a file, as its declaration says.
fn asks_for_file(command: &Command, flag: &str) -> bool {
    let named = |argument: &&clap::Arg| {
        let long = argument.get_long().map(|long| format!("--{long}"));
        let short = argument.get_short().map(|short| format!("-{short}"));
        long.as_deref() == Some(flag) || short.as_deref() == Some(flag)
    };
    let hint = command.get_arguments().find(named).map(clap::Arg::get_value_hint);
    matches!(hint, Some(ValueHint::FilePath | ValueHint::AnyPath))
}

fn flags(command: &Command) -> Vec<String> {
    let shown = command.get_arguments().filter(|argument| !argument.is_hide_set());
    shown
        .filter_map(|argument| {
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            argument.get_long().map(|long| format!("--{long}\t{help}"))
        })
        .collect()
}

/// Commands, or the values that the first positional argument may have.
fn values(command: &Command) -> Vec<String> {
    let commands = command.get_subcommands().filter(|it| !it.is_hide_set() && it.get_name() != "help").map(|it| {
        let about = it.get_about().map(ToString::to_string).unwrap_or_default();
        format!("{}\t{about}", it.get_name())
    });
    let possible = command.get_positionals().next().map(clap::Arg::get_possible_values).unwrap_or_default();
    let possible = possible.iter().map(|value| value.get_name().to_owned());
    commands.chain(possible).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::commands(&["re"], &["revoke", "reconcile", "resume"])]
    #[case::nothing_yet(&[""], &["authorize", "verify", "status", "revoke", "reconcile", "suspend", "resume", "why", "permissions", "check", "completion"])]
    #[case::flags(&["authorize", "--p"], &["--print", "--port"])]
    #[case::shared_flags(&["status", "--cont"], &["--context"])]
    #[case::values(&["completion", "b"], &["bash"])]
    #[case::names_are_not_known(&["status", "a"], &[])]
    fn what_may_follow_is_told(#[case] words: &[&str], #[case] expected: &[&str]) {
        let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        let answer = candidates(&words);
        let (found, directive): (Vec<_>, Vec<_>) = answer.lines().partition(|line| !line.starts_with(':'));
        let found: Vec<_> = found.iter().map(|line| line.split('\t').next().unwrap()).collect();
        assert_eq!((found.as_slice(), directive.as_slice()), (expected, &[NO_FILES][..]));
    }

    #[rstest]
    #[case("-f")]
    #[case("--credential-file")]
    #[case("--kubeconfig")]
    fn files_are_left_to_the_shell(#[case] flag: &str) {
        assert_eq!(candidates(&["check".to_owned(), flag.to_owned(), "a".to_owned()]), FILES);
    }
}
