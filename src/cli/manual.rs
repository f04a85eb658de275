//! `confold completions` and `confold man`: made from the command line itself.

use std::{io::Write, process::ExitCode};

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Arguments, terminal::print};

/// The options of `completions`.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// For which shell.
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn completions(options: &Completions) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Arguments::command(), "confold", &mut script);
    print(&script)?;
    Ok(ExitCode::SUCCESS)
}

/// The page of the command, and below it one for each task.
pub(super) fn page() -> anyhow::Result<ExitCode> {
    let mut command = Arguments::command();
    command.build();
    let mut page = Vec::new();
    let man = clap_mangen::Man::new(command.clone());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_options_section(&mut page)?;
    for task in command.get_subcommands().filter(|task| task.get_name() != "help") {
        let task = task.clone().display_name(format!("confold {}", task.get_name()));
        let man = clap_mangen::Man::new(task.clone());
        writeln!(page, ".SH {}", format!("confold {}", task.get_name()).to_uppercase())?;
        man.render_description_section(&mut page)?;
        man.render_options_section(&mut page)?;
    }
    print(&page)?;
    Ok(ExitCode::SUCCESS)
}
