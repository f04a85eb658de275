//! The values of the `--profile` option.

use clap::ValueEnum;

use crate::domain::{Limits, MembershipMode};

/// A named set of limits, and the default of the setting `membership`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Profile {
    Tencent,
    #[value(name = "tencent-2026")]
    Tencent2026,
    Open,
}

impl Profile {
    pub(super) fn limits(self) -> Limits {
        match self {
            Profile::Tencent | Profile::Tencent2026 => Limits::TENCENT,
            Profile::Open => Limits::OPEN,
        }
    }

    pub(super) fn membership(self) -> MembershipMode {
        match self {
            Profile::Tencent2026 => MembershipMode::Require,
            Profile::Tencent | Profile::Open => MembershipMode::Ignore,
        }
    }
}
