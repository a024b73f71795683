//! The pages of `docs/` about command lines, written from the command lines themselves.

use std::{fmt::Write, fs};

use clap::{Arg, ArgAction, CommandFactory};

use crate::{arguments::Args, plugin::arguments::Arguments};

/// Asserts that a page of `docs/` is this text. With `UPDATE_DOCS` in the environment, it is made so first.
pub(crate) fn assert_written(page: &str, text: &str) {
    let path = format!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/{}"), page);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, text).unwrap();
    }
    assert!(
        fs::read_to_string(path).is_ok_and(|written| written == text),
        "docs/{page} is out of date: run `make docs`"
    );
}

const PLUGIN: &str = "# Reference of `kubectl jira`

Written from the program by `make docs`. [kubectl-jira.md](kubectl-jira.md) says what the commands are for and which rights they need;
`kubectl jira man COMMAND | man -l -` shows the same as a page of the manual.

## Flags of every command

";

const OPERATOR: &str = "# Flags of the operator

Written from the program by `make docs`. Each flag is also an environment variable; a flag outweighs it.

";

/// Every command of the plugin.
fn of_the_plugin() -> String {
    let mut root = Arguments::command();
    root.build();
    let mut text = PLUGIN.to_owned();
    text += &table(root.get_arguments().filter(|argument| argument.is_global_set()));
    for command in root.get_subcommands_mut().filter(|it| !it.is_hide_set() && it.get_name() != "help") {
        let usage = command.render_usage().to_string();
        let usage = usage.trim_start_matches("Usage: ").to_owned();
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        write!(text, "\n## `{}`\n\n{about}.\n\n```\n{usage}\n```\n\n", command.get_name()).unwrap();
        text += &table(command.get_arguments().filter(|argument| !argument.is_global_set()));
    }
    text
}

/// Every flag of the operator.
fn of_the_operator() -> String {
    let mut root = Args::command();
    root.build();
    format!("{OPERATOR}{}", table(root.get_arguments()))
}

fn table<'a>(arguments: impl Iterator<Item = &'a Arg>) -> String {
    let shown = |argument: &&Arg| !argument.is_hide_set() && !matches!(argument.get_id().as_str(), "help" | "version");
    let rows: String = arguments.filter(shown).map(row).collect();
    format!("| argument | default | meaning |\n| --- | --- | --- |\n{rows}")
}

fn row(argument: &Arg) -> String {
    let help = argument.get_long_help().or_else(|| argument.get_help()).map(ToString::to_string).unwrap_or_default();
    let values: Vec<_> = argument.get_possible_values().into_iter().filter(|value| !value.is_hide_set()).collect();
    let choice = match values.as_slice() {
        [] => String::new(),
        _ if argument.get_action().takes_values() => {
            let names: Vec<_> = values.iter().map(|value| format!("`{}`", value.get_name())).collect();
            format!(" One of {}.", names.join(", "))
        }
        _ => String::new(),
    };
    let variable = argument.get_env().and_then(|name| name.to_str());
    let variable = variable.map(|name| format!(" Environment: `{name}`.")).unwrap_or_default();
    let meaning = format!("{}.{choice}{variable}", help.trim_end_matches('.'));
    format!("| {} | {} | {} |\n", cell(&form(argument)), cell(&default(argument)), meaning.replace('|', "\\|"))
}

/// As it is written: `-n`, `--namespace NAMESPACE`; a positional argument is its value.
fn form(argument: &Arg) -> String {
    let values: Vec<_> = argument.get_value_names().unwrap_or_default().iter().map(ToString::to_string).collect();
    let value = if argument.get_action().takes_values() { values.join(" ") } else { String::new() };
    let Some(long) = argument.get_long() else { return value };
    // Where nobody has named the value, clap names it as the flag.
    let unnamed = value == long.to_uppercase().replace('-', "_");
    let value = if unnamed { "VALUE" } else { &value };
    let short = argument.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
    let joint = if argument.is_require_equals_set() { "=" } else { " " };
    let flag = format!("{short}--{long}");
    if value.is_empty() { flag } else { format!("{flag}{joint}{value}") }
}

fn default(argument: &Arg) -> String {
    let shown = !argument.is_hide_default_value_set() && !matches!(argument.get_action(), ArgAction::SetTrue);
    let values = argument.get_default_values().iter().filter(|_| shown);
    values.map(|value| value.to_string_lossy()).collect::<Vec<_>>().join(",")
}

fn cell(code: &str) -> String {
    if code.is_empty() { String::new() } else { format!("`{}`", code.replace('|', "\\|")) }
}

#[test]
fn the_reference_of_the_plugin_is_what_it_takes() {
    assert_written("kubectl-jira-reference.md", &of_the_plugin());
}

#[test]
fn the_page_of_the_operator_s_flags_is_what_it_takes() {
    assert_written("flags.md", &of_the_operator());
}
