//! `man`: pages of the manual, from the same declarations as `--help`.

use clap::CommandFactory;
use clap_mangen::Man;

use super::{
    arguments::{Arguments, Manual},
    console::Console,
    error::Error,
    verdict::Verdict,
};

/// Prints a page of the manual as roff: of one command, or of the program.
///
/// # Errors
/// When there is no such command, or standard output is closed.
pub fn page(arguments: &Manual, console: Console) -> Result<Verdict, Error> {
    console.say(roff(arguments.command.as_deref())?.trim_end())?;
    Ok(Verdict::Good)
}

fn roff(name: Option<&str>) -> Result<String, Error> {
    let mut root = Arguments::command();
    root.build();
    let command = match name {
        None => &root,
        Some(name) => root.find_subcommand(name).ok_or_else(|| Error::NoSuchCommand { name: name.to_owned() })?,
    };
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page).map_err(Error::Output)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::the_program(None, ".TH kubectl-jira 1", "jira\\-authorize(1)")]
    #[case::a_command(Some("check"), ".TH kubectl-jira-check 1", "credential\\-file")]
    fn a_page_has_its_title_and_what_it_is_about(#[case] name: Option<&str>, #[case] title: &str, #[case] words: &str) {
        let page = roff(name).unwrap();
        assert!(page.contains(title) && page.contains(words), "{page}");
    }

    #[test]
    fn an_unknown_command_is_wrong_usage() {
        assert_eq!(roff(Some("nothing")).unwrap_err().exit_status(), 2);
    }
}
