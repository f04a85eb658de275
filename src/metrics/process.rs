//! Metrics of this process, under the names that Prometheus uses for every program.

use super::exposition::Exposition;

/// Values of this process, as the system reports them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Process {
    /// The start time, in seconds since 1970.
    pub start_seconds: f64,
    /// Processor time in seconds.
    pub cpu_seconds: f64,
    /// Resident memory in bytes.
    pub resident_bytes: u64,
    /// The number of open files and sockets.
    pub open_files: u64,
    /// The number of threads.
    pub threads: u64,
}

impl Process {
    /// Reads the current values. Those that the system does not report are zero.
    #[must_use]
    pub fn now() -> Process {
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{file}")).unwrap_or_default();
        let (stat, memory) = (read("self/stat"), read("self/statm"));
        // Skip the name, which may contain any character.
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        let field = |index: usize| fields.get(index).and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
        let pages = memory.split(' ').nth(1).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        let ticks = f64::from(u32::try_from(rustix::param::clock_ticks_per_second()).unwrap_or(100));
        // The start time is given in ticks since the machine was booted.
        let machine = read("stat").lines().find_map(|line| line.strip_prefix("btime ")?.parse::<f64>().ok());
        let after: f64 = fields.get(19).and_then(|text| text.parse().ok()).unwrap_or(0.0);
        Process {
            start_seconds: machine.map_or(0.0, |machine| machine + after / ticks),
            cpu_seconds: (f64::from(field(11)) + f64::from(field(12))) / ticks,
            resident_bytes: pages * rustix::param::page_size() as u64,
            open_files: std::fs::read_dir("/proc/self/fd").map_or(0, |files| files.count() as u64),
            threads: u64::from(field(17)),
        }
    }

    pub(super) fn render(&self, out: &mut Exposition) {
        let Process { start_seconds, cpu_seconds, resident_bytes, open_files, threads } = *self;
        out.alone(
            "process_start_time_seconds",
            "gauge",
            "Start time of the process, in seconds since 1970.",
            start_seconds,
        );
        out.alone("process_cpu_seconds_total", "counter", "Processor time.", cpu_seconds);
        out.alone("process_resident_memory_bytes", "gauge", "Resident memory in bytes.", resident_bytes);
        out.alone("process_open_fds", "gauge", "Open files and sockets.", open_files);
        out.alone("process_threads", "gauge", "Threads.", threads);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_reports_figures_of_this_process() {
        let process = Process::now();
        assert!(
            process.resident_bytes > 1 << 20 && process.open_files > 2 && process.threads > 1,
            "{process:?}"
        );
        let now = crate::clock::Clock::system().system_time().as_secs_f64();
        let age = now - process.start_seconds;
        assert!((-5.0..3_600.0).contains(&age), "it began {age} seconds ago");
    }
}
