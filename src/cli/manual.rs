//! `confold completions` and `confold man`, generated from the definition of the command line.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Args;
use clap_complete::Shell;

use super::{command, reference, terminal::print};

/// The options of `completions`.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn completions(options: &Completions) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut command(), "confold", &mut script);
    print(&script)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the manual page, which covers all subcommands.
pub(super) fn page() -> anyhow::Result<ExitCode> {
    let mut command = command();
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
    let statuses = reference::STATUSES.iter().map(|(status, what)| (status.to_string(), (*what).to_owned()));
    section(&mut page, "EXIT STATUS", statuses)?;
    section(&mut page, "ENVIRONMENT", reference::variables())?;
    let files = reference::FILES.iter().map(|(file, what)| ((*file).to_owned(), (*what).to_owned()));
    section(&mut page, "FILES", files)?;
    writeln!(page, ".SH EXAMPLES")?;
    for (what, line) in reference::EXAMPLES.iter().flat_map(|(_, examples)| *examples) {
        writeln!(page, ".PP\n{}\n.PP\n.RS 4\n.nf\n{}\n.fi\n.RE", escaped(what), escaped(line))?;
    }
    print(&page)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes a section of names and descriptions.
fn section(
    page: &mut Vec<u8>,
    name: &str,
    rows: impl IntoIterator<Item = (String, String)>,
) -> io::Result<()> {
    writeln!(page, ".SH \"{name}\"")?;
    for (name, what) in rows {
        writeln!(page, ".TP\n\\fB{}\\fR\n{}", escaped(&name), escaped(&what))?;
    }
    Ok(())
}

/// Escapes a line for roff. Dashes and apostrophes must stay ASCII, so that commands can be copied from the page.
fn escaped(text: &str) -> String {
    let text = text
        .replace('\\', "\\e")
        .replace('-', "\\-")
        .replace('\'', "\\(aq")
        .replace('–', "\\(en")
        .replace('~', "\\(ti");
    if text.starts_with('.') { format!("\\&{text}") } else { text }
}
