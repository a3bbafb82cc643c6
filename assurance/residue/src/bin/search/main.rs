//! Sends secrets to the probe, and searches the probe's memory for what is left of them.
//!
//! `search PROBE PROBE_WITHOUT_WIPING` prints its figures. It exits with 1 if a fragment of a secret
//! is left, or if it does not find what a control has left on purpose.

mod core_file;
mod derived;
mod figures;
mod pairs;
mod process;
mod secrets;
mod tokens;
mod windows;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use figures::{Ended, Figures};
use process::{Probe, Registers};
use residue::pipe;
use secrets::Secrets;
use windows::{Found, Windows};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Read-only memory is searched once in this many steps.
const READ_ONLY_EVERY: usize = 64;

struct Search {
    probe: Probe,
    secrets: Secrets,
    windows: Windows,
    figures: Figures,
    /// Whether the probe has requested anything yet.
    has_begun: bool,
}

impl Search {
    fn start(program: &str, mode: &str, folder: &Path) -> Result<Self> {
        Ok(Self {
            probe: Probe::start(Path::new(program), mode, folder)?,
            secrets: Secrets::new(),
            windows: Windows::new(),
            figures: Figures::default(),
            has_begun: false,
        })
    }

    /// Serves the probe until a step has ended. Returns `None` when the probe has ended.
    fn next_step(&mut self) -> Result<Option<Ended>> {
        self.secrets.next_step();
        loop {
            let mut message = [0; 8];
            if !self.probe.hear(&mut message) {
                return Ok(None);
            }
            if !std::mem::replace(&mut self.has_begun, true) {
                self.ignore_what_is_there()?;
            }
            let [kind, first, second, _, len @ ..] = message;
            let size = usize::try_from(u32::from_le_bytes(len))?;
            if kind == pipe::GIVE {
                let bytes = self.secrets.give(first, second, size);
                self.probe.tell(&u32::try_from(bytes.len())?.to_le_bytes())?;
                self.probe.tell(&bytes)?;
            } else {
                let mut name = vec![0; second.into()];
                self.probe.hear(&mut name);
                return Ok(Some(Ended { name: String::from_utf8(name)?, suite: first, size }));
            }
        }
    }

    /// Excludes from the search what writable memory contains before the probe requests its first secret.
    fn ignore_what_is_there(&mut self) -> Result<()> {
        let mut memory = Vec::new();
        for mapping in self.probe.mappings()?.into_iter().filter(|mapping| mapping.writable) {
            self.probe.read(&mapping, &mut memory)?;
            self.windows.ignore(&memory);
        }
        Ok(())
    }

    /// Searches for the secrets of the step that has ended.
    fn look(&mut self, ended: &Ended) -> Result<()> {
        self.windows.clear();
        self.secrets.windows(ended.suite, &mut self.windows);
        // Optional: if the kernel refuses a debugger, memory can still be read.
        let registers = self.probe.registers().ok();
        let stack_pointer = registers.as_ref().map(Registers::stack_pointer);
        let all = self.figures.steps().is_multiple_of(READ_ONLY_EVERY);
        let (mut memory, mut found) = (Vec::new(), Vec::new());
        for mapping in self.probe.mappings()? {
            if !(mapping.writable || all) {
                continue;
            }
            self.probe.read(&mapping, &mut memory)?;
            self.windows.search(&memory, &mut found);
            self.figures.searched += memory.len();
            let depth = |found: &Found| stack_pointer?.checked_sub(mapping.at(found.at));
            self.figures.count(ended, &mapping.name, &found, depth);
            found.clear();
        }
        let in_vectors = registers.map(|registers| {
            self.windows.search(&registers.general, &mut found);
            self.figures.count(ended, "[general registers]", &found, |_| None);
            found.clear();
            self.windows.search(&registers.vectors, &mut found);
            !found.is_empty()
        });
        self.figures.end_step(ended, in_vectors);
        Ok(())
    }
}

/// Runs every step of the probe, and searches for what each of them left.
fn steps(program: &str, mode: &str, folder: &Path) -> Result<Figures> {
    let mut search = Search::start(program, mode, folder)?;
    let mut last = None;
    while let Some(ended) = search.next_step()? {
        search.look(&ended)?;
        search.probe.tell(&[1])?;
        last = Some(ended);
    }
    search.figures.ignored = search.windows.ignored;
    let status = search.probe.wait()?;
    if status.success() {
        Ok(search.figures)
    } else {
        Err(format!("the probe ended with {status}, after {last:?}").into())
    }
}

/// Runs all steps without clearing memory, then searches a core dump. The last step leaves a canary.
fn core(program: &str, folder: &Path) -> Result<core_file::Figures> {
    let mut search = Search::start(program, "kept", folder)?;
    let mut last = None;
    while let Some(ended) = search.next_step()? {
        if ended.name == "end" {
            break;
        }
        // What a format keeps is known, and is counted when each step is searched.
        if !ended.name.starts_with("known") {
            search.secrets.windows(ended.suite, &mut search.windows);
        }
        search.probe.tell(&[1])?;
        last = Some(ended.name);
    }
    if last.as_deref() != Some("canary: left on the heap") {
        return Err("the probe ended before its canary".into());
    }
    core_file::look(search.probe, folder, &search.windows)
}

fn temporary() -> Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("residue-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Prints the figures, and returns what is wrong with them.
fn run(probe: &str, without_wiping: &str, folder: &Path) -> Result<Vec<String>> {
    let figures = steps(probe, "all", folder)?;
    let core = core(probe, folder)?;
    let control = steps(without_wiping, "brief", folder)?;
    let mut wrong = figures.report();
    wrong.extend(core.report());
    wrong.extend(control.report_control(&derived::KINDS));
    Ok(wrong)
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [probe, without_wiping] = args.as_slice() else {
        eprintln!("usage: search PROBE PROBE_WITHOUT_WIPING");
        return ExitCode::from(2);
    };
    let wrong = temporary().and_then(|folder| {
        let wrong = run(probe, without_wiping, &folder);
        fs::remove_dir_all(&folder)?;
        wrong
    });
    let wrong = wrong.unwrap_or_else(|error| vec![error.to_string()]);
    for line in &wrong {
        eprintln!("WRONG: {line}");
    }
    if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
