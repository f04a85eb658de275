//! The values of the `--profile` option.

use clap::ValueEnum;

use crate::domain::Limits;

/// A named set of limits.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Profile {
    Tencent,
    Open,
}

impl Profile {
    pub(super) fn limits(self) -> Limits {
        match self {
            Profile::Tencent => Limits::TENCENT,
            Profile::Open => Limits::OPEN,
        }
    }
}
