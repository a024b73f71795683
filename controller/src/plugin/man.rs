//! `man`: pages of the manual, from the same declarations as `--help`.

use clap::CommandFactory;
use clap_mangen::Man;

use super::{
    arguments::{Arguments, Manual},
    console::Console,
    error::Error,
    verdict::Verdict,
};

/// Prints a page of the manual as roff: of one command, or of all together.
///
/// # Errors
/// When there is no such command, or standard output is closed.
pub fn page(arguments: &Manual, console: Console) -> Result<Verdict, Error> {
    let mut root = Arguments::command();
    root.build();
    let command = match &arguments.command {
        None => &root,
        Some(name) => root.find_subcommand(name).ok_or_else(|| Error::NoSuchCommand { name: name.clone() })?,
    };
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page).map_err(Error::Output)?;
    console.say(String::from_utf8_lossy(&page).trim_end())?;
    Ok(Verdict::Good)
}
