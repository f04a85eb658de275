//! What is counted beside calls: configurations and certificates that were read again.

use std::{
    fmt,
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use super::Exposition;

/// Counts reloads and certificate changes; updated by the server's owner.
#[derive(Default)]
pub struct Operations {
    applied: AtomicU64,
    refused: AtomicU64,
    refused_now: AtomicBool,
    certificate: OnceLock<Box<dyn Fn() -> CertificateCounts + Send + Sync>>,
}

/// How a certificate is doing.
#[derive(Clone, Copy, Debug, Default)]
pub struct CertificateCounts {
    /// The last second in which it is valid, since 1970.
    pub not_after: u64,
    /// How often another one was taken over.
    pub applied: u64,
    /// How often another one was refused.
    pub refused: u64,
    /// Whether the last one was.
    pub refused_now: bool,
}

impl fmt::Debug for Operations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Operations")
    }
}

impl Operations {
    /// Counts a configuration that was read again, and whether it was taken over.
    pub fn reloaded(&self, applied: bool) {
        let count = if applied { &self.applied } else { &self.refused };
        count.fetch_add(1, Ordering::Relaxed);
        self.refused_now.store(!applied, Ordering::Relaxed);
    }

    /// Asks for the state of the certificate whenever the metrics are told. The first question stays.
    pub fn ask_for_certificate(&self, state: impl Fn() -> CertificateCounts + Send + Sync + 'static) {
        // A server shows one certificate.
        let _ = self.certificate.set(Box::new(state));
    }

    pub(super) fn tell(&self, out: &mut Exposition) {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let certificate = self.certificate.get().map(|state| state());
        let configuration =
            (count(&self.applied), count(&self.refused), self.refused_now.load(Ordering::Relaxed));
        let of_certificate = certificate.map(|state| (state.applied, state.refused, state.refused_now));
        let all =
            [Some(("configuration", configuration)), of_certificate.map(|state| ("certificate", state))];
        let (total, last) = ("confold_reloads_total", "confold_reload_refused");
        out.family(
            total,
            "counter",
            "Configurations and certificates read again, and whether they were applied.",
        );
        for (of, (applied, refused, _)) in all.into_iter().flatten() {
            out.sample(total, &[("of", of), ("result", "applied")], applied);
            out.sample(total, &[("of", of), ("result", "refused")], refused);
        }
        out.family(
            last,
            "gauge",
            "Whether what was read last was refused, so that something older is in use.",
        );
        for (of, (.., refused)) in all.into_iter().flatten() {
            out.sample(last, &[("of", of)], u8::from(refused));
        }
        if let Some(state) = certificate {
            let name = "confold_certificate_not_after_timestamp_seconds";
            out.alone(name, "gauge", "When the certificate that is shown expires.", state.not_after);
        }
    }
}
