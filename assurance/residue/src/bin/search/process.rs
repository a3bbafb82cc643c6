//! The probe, seen from outside: its memory, registers and core dump.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

pub struct Probe {
    child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
    memory: File,
}

/// A mapping of the probe, as listed in `/proc/<pid>/maps`.
pub struct Mapping {
    start: u64,
    len: usize,
    pub name: String,
    pub writable: bool,
}

/// The registers of the probe, as the kernel provides them to a debugger.
pub struct Registers {
    pub general: Vec<u8>,
    pub vectors: Vec<u8>,
}

impl Probe {
    /// Starts the probe in a folder for its core dump.
    pub fn start(program: &Path, mode: &str, folder: &Path) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.arg(mode).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        // SAFETY: setrlimit may be called between fork and exec.
        unsafe {
            command.pre_exec(|| {
                let most = core_limit();
                let all = libc::rlimit { rlim_cur: most, rlim_max: most };
                libc::setrlimit(libc::RLIMIT_CORE, &raw const all);
                Ok(())
            });
        }
        let mut child = command.spawn()?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let memory = File::open(format!("/proc/{}/mem", child.id()))?;
        let pipes = stdin.zip(stdout).ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Self { child, stdin: pipes.0, stdout: pipes.1, memory })
    }

    /// Returns whether the limits of this process allow its children to leave a core dump.
    pub fn may_leave_a_core() -> bool {
        core_limit() > 0
    }

    /// Reads the next message. Returns `false` when the probe has ended.
    pub fn hear(&mut self, buffer: &mut [u8]) -> bool {
        self.stdout.read_exact(buffer).is_ok()
    }

    pub fn tell(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stdin.write_all(bytes)
    }

    /// Returns all readable mappings, except those that belong to the kernel.
    pub fn mappings(&self) -> io::Result<Vec<Mapping>> {
        let maps = fs::read_to_string(format!("/proc/{}/maps", self.child.id()))?;
        Ok(maps.lines().filter_map(Mapping::parse).collect())
    }

    pub fn read(&self, mapping: &Mapping, buffer: &mut Vec<u8>) -> io::Result<()> {
        buffer.resize(mapping.len, 0);
        self.memory.read_exact_at(buffer, mapping.start)
    }

    /// Reads the registers. The probe waits in a system call, which is interrupted and then continues.
    pub fn registers(&self) -> io::Result<Registers> {
        let pid = libc::pid_t::try_from(self.child.id()).unwrap_or_default();
        let request = |request, address: usize, data: usize| {
            // SAFETY: the addresses are null or those of our own buffers.
            match unsafe { libc::ptrace(request, pid, address, data) } {
                -1 => Err(io::Error::last_os_error()),
                _ => Ok(()),
            }
        };
        request(libc::PTRACE_SEIZE, 0, 0)?;
        request(libc::PTRACE_INTERRUPT, 0, 0)?;
        // SAFETY: waits for the child that was just interrupted.
        unsafe { libc::waitpid(pid, &mut 0, libc::__WALL) };
        let set = |set| {
            let mut buffer = vec![0; 16 * 1024];
            let mut place =
                libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
            request(libc::PTRACE_GETREGSET, set, (&raw mut place).addr())?;
            buffer.truncate(place.iov_len);
            Ok::<_, io::Error>(buffer)
        };
        // NT_PRSTATUS and NT_X86_XSTATE in the kernel's elf.h.
        let registers = Registers { general: set(1)?, vectors: set(0x202)? };
        request(libc::PTRACE_DETACH, 0, 0)?;
        Ok(registers)
    }

    pub fn wait(mut self) -> io::Result<ExitStatus> {
        drop(self.stdin);
        self.child.wait()
    }

    /// Makes the kernel write a core dump, and returns its path if it is in the folder.
    pub fn core(mut self, folder: &Path) -> io::Result<Option<PathBuf>> {
        // All of its memory, including file mappings and ELF headers.
        fs::write(format!("/proc/{}/coredump_filter", self.child.id()), "0x7f")?;
        // SAFETY: sends a signal to our own child.
        unsafe { libc::kill(self.child.id().try_into().unwrap_or_default(), libc::SIGABRT) };
        self.child.wait()?;
        let mut found = fs::read_dir(folder)?.filter_map(Result::ok).map(|entry| entry.path());
        Ok(found.find(|path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("core"))
        }))
    }
}

/// Returns the maximum size of a core dump.
fn core_limit() -> libc::rlim_t {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the call fills a structure of our own.
    unsafe { libc::getrlimit(libc::RLIMIT_CORE, &raw mut limit) };
    limit.rlim_max
}

impl Registers {
    /// Returns `rsp` of the kernel's `user_regs_struct`.
    pub fn stack_pointer(&self) -> u64 {
        self.general.get(152..160).and_then(|rsp| rsp.try_into().ok()).map_or(0, u64::from_le_bytes)
    }
}

impl Mapping {
    /// Returns the address of a byte.
    pub fn at(&self, offset: usize) -> u64 {
        self.start + u64::try_from(offset).unwrap_or_default()
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let access = words.next()?;
        let name = words.nth(3).unwrap_or("[heap of the probe]");
        let start = u64::from_str_radix(start, 16).ok()?;
        let len = usize::try_from(u64::from_str_radix(end, 16).ok()? - start).ok()?;
        let kernel = ["[vvar]", "[vvar_vclock]", "[vsyscall]"].contains(&name);
        // Without the folder, which depends on the machine.
        let name = name.rsplit('/').next().unwrap_or(name).to_owned();
        let writable = access.contains('w');
        (access.starts_with('r') && !kernel).then_some(Self { start, len, name, writable })
    }
}
