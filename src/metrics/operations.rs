//! The counters of reloads: of the configuration, and of the certificate.

use std::{
    fmt,
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use super::exposition::Exposition;

/// Counts reloads of the configuration, and reads the counts of the certificate.
#[derive(Default)]
pub struct Operations {
    applied: AtomicU64,
    refused: AtomicU64,
    refused_now: AtomicBool,
    certificate: OnceLock<Box<dyn Fn() -> CertificateCounts + Send + Sync>>,
}

/// The state of the certificate.
#[derive(Clone, Copy, Debug, Default)]
pub struct CertificateCounts {
    /// The last second in which it is valid, in seconds since 1970.
    pub not_after: u64,
    /// The number of new certificates that were applied.
    pub applied: u64,
    /// The number of new certificates that were refused.
    pub refused: u64,
    /// Whether the most recent one was refused.
    pub refused_now: bool,
}

impl fmt::Debug for Operations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Operations")
    }
}

impl Operations {
    /// Counts a reload of the configuration, and whether the new one was applied.
    pub fn reloaded(&self, applied: bool) {
        let count = if applied { &self.applied } else { &self.refused };
        count.fetch_add(1, Ordering::Relaxed);
        self.refused_now.store(!applied, Ordering::Relaxed);
    }

    /// Sets the function that returns the state of the certificate. Only the first call has an effect.
    pub fn ask_for_certificate(&self, state: impl Fn() -> CertificateCounts + Send + Sync + 'static) {
        // A server has one certificate.
        let _ = self.certificate.set(Box::new(state));
    }

    pub(super) fn render(&self, out: &mut Exposition) {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let certificate = self.certificate.get().map(|state| state());
        let configuration =
            (count(&self.applied), count(&self.refused), self.refused_now.load(Ordering::Relaxed));
        let of_certificate = certificate.map(|state| (state.applied, state.refused, state.refused_now));
        let all =
            [Some(("configuration", configuration)), of_certificate.map(|state| ("certificate", state))];
        let (total, last) = ("confold_reloads_total", "confold_reload_refused");
        out.family(total, "counter", "Reloads of the configuration and of certificates, by result.");
        for (of, (applied, refused, _)) in all.into_iter().flatten() {
            out.sample(total, &[("of", of), ("result", "applied")], applied);
            out.sample(total, &[("of", of), ("result", "refused")], refused);
        }
        out.family(
            last,
            "gauge",
            "1 if the last reload was refused, so that the previous version is still in use.",
        );
        for (of, (.., refused)) in all.into_iter().flatten() {
            out.sample(last, &[("of", of)], u8::from(refused));
        }
        if let Some(state) = certificate {
            let name = "confold_certificate_not_after_timestamp_seconds";
            out.alone(
                name,
                "gauge",
                "When the certificate in use expires, in seconds since 1970.",
                state.not_after,
            );
        }
    }
}
