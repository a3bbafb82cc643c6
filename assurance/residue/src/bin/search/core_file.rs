//! Searches what a crash would leave on disk.

use std::fs;
use std::path::Path;

use super::Result;
use super::process::Probe;
use super::windows::Windows;

pub struct Figures {
    /// Who wrote the core dump.
    by: &'static str,
    len: usize,
    /// How many bytes of secrets are in memory.
    in_memory: usize,
    /// Whether the registers contain some as well.
    in_notes: bool,
}

/// The length of the probe's only canary.
const CANARY: usize = 32;

/// Aborts the probe, and searches the core dump that the kernel writes.
///
/// If the kernel passes core dumps to a program, or may not write one, the mappings of the live probe
/// are searched instead: they are what the dump would contain.
pub fn look(probe: Probe, folder: &Path, windows: &Windows) -> Result<Figures> {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern")?;
    if pattern.starts_with(['|', '/']) || !Probe::may_leave_a_core() {
        return of_mappings(&probe, windows);
    }
    let path = probe.core(folder)?.ok_or("the kernel wrote no core dump")?;
    let core = fs::read(path)?;
    let mut figures = Figures { by: "the kernel", len: core.len(), in_memory: 0, in_notes: false };
    for (kind, bytes) in segments(&core).ok_or("the core dump is not a 64-bit ELF file")? {
        let mut found = Vec::new();
        windows.search(bytes, &mut found);
        match kind {
            PT_NOTE => figures.in_notes |= !found.is_empty(),
            _ => figures.in_memory += found.iter().map(|fragment| fragment.len).sum::<usize>(),
        }
    }
    Ok(figures)
}

fn of_mappings(probe: &Probe, windows: &Windows) -> Result<Figures> {
    let mut figures = Figures { by: "the search", len: 0, in_memory: 0, in_notes: false };
    let mut memory = Vec::new();
    for mapping in probe.mappings()? {
        let mut found = Vec::new();
        probe.read(&mapping, &mut memory)?;
        windows.search(&memory, &mut found);
        figures.len += memory.len();
        figures.in_memory += found.iter().map(|fragment| fragment.len).sum::<usize>();
    }
    Ok(figures)
}

/// The type of the segment that contains threads and their registers.
const PT_NOTE: u32 = 4;

/// Returns the type and the bytes of each segment of an ELF file.
fn segments(core: &[u8]) -> Option<Vec<(u32, &[u8])>> {
    let number = |at: usize, len: usize| {
        let mut bytes = [0; 8];
        bytes.get_mut(..len)?.copy_from_slice(core.get(at..at + len)?);
        usize::try_from(u64::from_le_bytes(bytes)).ok()
    };
    if !core.starts_with(b"\x7fELF\x02") {
        return None;
    }
    // e_phoff, e_phentsize and e_phnum; below, p_offset, p_filesz and p_type.
    let (table, entry, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
    (0..count)
        .map(|i| {
            let at = table + i * entry;
            let (offset, len) = (number(at + 8, 8)?, number(at + 32, 8)?);
            Some((u32::try_from(number(at, 4)?).ok()?, core.get(offset..offset + len)?))
        })
        .collect()
}

impl Figures {
    pub fn report(&self) -> Vec<String> {
        let Self { by, len, in_memory, in_notes } = self;
        let registers = if *in_notes { ", and some of its registers" } else { "" };
        println!(
            "core, by {by}: {} MiB, {in_memory} bytes of secrets, {CANARY} of them the canary's\
             {registers}",
            len >> 20
        );
        if *in_memory == CANARY {
            Vec::new()
        } else {
            vec![format!(
                "the core dump contains {in_memory} bytes of secrets, but the canary has {CANARY}"
            )]
        }
    }
}
