//! Searches the memory of a process.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

/// Returns how often each needle is in the memory of a process.
pub(crate) fn count(pid: u32, needles: &[&[u8]]) -> Vec<usize> {
    let mut counts = vec![0; needles.len()];
    each_mapping(pid, |bytes| {
        for (count, needle) in counts.iter_mut().zip(needles) {
            *count += find(bytes, needle);
        }
    });
    counts
}

/// Returns whether any 32 bytes that may be a key are what is asked for.
pub(crate) fn any_window(pid: u32, mut is_it: impl FnMut(&[u8]) -> bool) -> bool {
    let mut found = false;
    each_mapping(pid, |bytes| {
        for window in bytes.windows(32) {
            // Of 32 random bytes, fewer than 20 different ones are one case in a billion.
            if window[0] != window[1] && !found && is_random(window) {
                found = is_it(window);
            }
        }
    });
    found
}

fn is_random(window: &[u8]) -> bool {
    let mut seen = [0_u64; 4];
    for byte in window {
        seen[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }
    let is_text = window.iter().filter(|byte| byte.is_ascii()).count() > 26;
    !is_text && seen.iter().map(|bits| bits.count_ones()).sum::<u32>() >= 24
}

/// Reads what a process can write: nothing else has a secret that was made at run time.
fn each_mapping(pid: u32, mut read: impl FnMut(&[u8])) {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (range, rights) = (words.next().unwrap(), words.next().unwrap());
        if !rights.starts_with("rw") {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|address| u64::from_str_radix(address, 16).unwrap());
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        // A mapping may end while it is read.
        if memory.read_exact_at(&mut bytes, start).is_ok() {
            read(&bytes);
        }
    }
}

/// Returns how often a needle is in some bytes.
pub(crate) fn find(bytes: &[u8], needle: &[u8]) -> usize {
    let first = needle[0];
    let starts = bytes.iter().enumerate().filter(|(_, byte)| **byte == first);
    starts.filter(|(at, _)| bytes[*at..].starts_with(needle)).count()
}
