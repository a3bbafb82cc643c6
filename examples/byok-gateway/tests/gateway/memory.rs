//! Searches the memory of a process.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

/// Returns how often each needle is in the readable memory of a process.
pub(crate) fn count(pid: u32, needles: &[&[u8]]) -> Vec<usize> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    let mut counts = vec![0; needles.len()];
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (range, rights) = (words.next().unwrap(), words.next().unwrap());
        // What cannot be written has no secret that was made at run time.
        if !rights.starts_with("rw") {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|address| u64::from_str_radix(address, 16).unwrap());
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        // A mapping may end while it is read.
        if memory.read_exact_at(&mut bytes, start).is_err() {
            continue;
        }
        for (count, needle) in counts.iter_mut().zip(needles) {
            *count += find(&bytes, needle);
        }
    }
    counts
}

/// Returns how often a needle is in some bytes.
pub(crate) fn find(bytes: &[u8], needle: &[u8]) -> usize {
    let first = needle[0];
    let starts = bytes.iter().enumerate().filter(|(_, byte)| **byte == first);
    starts.filter(|(at, _)| bytes[*at..].starts_with(needle)).count()
}
