//! What a crash would leave on disk.

use std::fs;
use std::path::Path;

use super::Result;
use super::process::Probe;
use super::windows::Windows;

pub struct Figures {
    /// Who wrote it.
    by: &'static str,
    len: usize,
    /// Bytes of secrets in memory; and whether there are some among the registers.
    in_memory: usize,
    in_notes: bool,
}

/// The one canary of the probe: 32 bytes.
const CANARY: usize = 32;

/// Aborts the probe, and searches the core that the kernel writes. Where the kernel hands cores to
/// a program, or may write none, the mappings of the live probe are searched instead: they are what
/// would be in it.
pub fn look(probe: Probe, folder: &Path, windows: &Windows) -> Result<Figures> {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern")?;
    if pattern.starts_with(['|', '/']) || !Probe::may_leave_a_core() {
        return of_mappings(&probe, windows);
    }
    let path = probe.core(folder)?.ok_or("the kernel wrote no core")?;
    let core = fs::read(path)?;
    let mut figures = Figures { by: "the kernel", len: core.len(), in_memory: 0, in_notes: false };
    for (kind, bytes) in segments(&core).ok_or("the core is no ELF file of 64 bits")? {
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

/// The segment that holds threads and their registers.
const PT_NOTE: u32 = 4;

/// The segments of an ELF file: their types and bytes.
fn segments(core: &[u8]) -> Option<Vec<(u32, &[u8])>> {
    let number = |at: usize, len: usize| {
        let mut bytes = [0; 8];
        bytes.get_mut(..len)?.copy_from_slice(core.get(at..at + len)?);
        usize::try_from(u64::from_le_bytes(bytes)).ok()
    };
    if !core.starts_with(b"\x7fELF\x02") {
        return None;
    }
    // e_phoff, e_phentsize, e_phnum; then p_type, p_offset, p_filesz.
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
                "{in_memory} bytes of secrets are in the core, and the canary has {CANARY}"
            )]
        }
    }
}
