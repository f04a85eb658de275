//! Validation of paths on the command line, for the options of all subcommands.

use std::{any::TypeId, ffi::OsStr, path::PathBuf};

use clap::{
    Arg, Command, Error,
    builder::{OsStringValueParser, TypedValueParser},
    error::ErrorKind,
};

use crate::written_path;

/// Makes all options of type [`PathBuf`] use [`WrittenPath`]. New options need no code of their own for this.
pub(super) fn guarded(command: Command) -> Command {
    let takes_path = |arg: &Arg| arg.get_value_parser().type_id() == TypeId::of::<PathBuf>();
    command
        .mut_args(|arg| if takes_path(&arg) { arg.value_parser(WrittenPath) } else { arg })
        .mut_subcommands(guarded)
}

/// A value parser that validates paths with [`written_path`].
#[derive(Clone)]
pub(super) struct WrittenPath;

impl TypedValueParser for WrittenPath {
    type Value = PathBuf;

    fn parse_ref(&self, command: &Command, option: Option<&Arg>, value: &OsStr) -> Result<PathBuf, Error> {
        let value = OsStringValueParser::new().parse_ref(command, option, value)?;
        written_path::read(&value).map_err(|reason| {
            let option = option.map_or_else(String::new, |option| format!("{option} "));
            Error::raw(ErrorKind::ValueValidation, format!("{option}{reason}\n")).with_cmd(command)
        })
    }
}

/// Parses a path that is stored as text. This is a value parser for options.
pub(super) fn text(value: &str) -> Result<String, String> {
    written_path::read(value.as_ref()).map(|_| value.to_owned()).map_err(|reason| format!("it {reason}"))
}
