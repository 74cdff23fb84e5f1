//! The architectures for which filters can be made.

use std::fmt;

/// A calling convention of the kernel, with its own system call numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arch {
    X86_64,
    I386,
    Aarch64,
    Arm,
    Riscv64,
}

impl Arch {
    /// All architectures, in the order of the columns of `tables/syscalls.tbl`.
    pub(crate) const ALL: [Arch; 5] = [Arch::X86_64, Arch::I386, Arch::Aarch64, Arch::Arm, Arch::Riscv64];

    /// The architectures that kernels are built for. The others are 32-bit conventions that such a kernel runs as well.
    pub(crate) const KERNELS: [Arch; 3] = [Arch::X86_64, Arch::Aarch64, Arch::Riscv64];

    /// The architecture that this program is built for, if it is a known one.
    pub(crate) fn here() -> Option<Arch> {
        Arch::named(std::env::consts::ARCH).filter(|arch| Arch::KERNELS.contains(arch))
    }

    /// Finds an architecture by its name in pinfold, or by the name that Go and OCI profiles use in `includes.arches`.
    pub(crate) fn named(name: &str) -> Option<Arch> {
        match name {
            "x86_64" | "amd64" => Some(Arch::X86_64),
            "i386" | "x86" => Some(Arch::I386),
            "aarch64" | "arm64" => Some(Arch::Aarch64),
            "arm" => Some(Arch::Arm),
            "riscv64" => Some(Arch::Riscv64),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Arch::X86_64 => "x86_64",
            Arch::I386 => "i386",
            Arch::Aarch64 => "aarch64",
            Arch::Arm => "arm",
            Arch::Riscv64 => "riscv64",
        }
    }

    /// `SCMP_ARCH_…`, as OCI profiles write it.
    pub(crate) fn oci_name(self) -> &'static str {
        match self {
            Arch::X86_64 => "SCMP_ARCH_X86_64",
            Arch::I386 => "SCMP_ARCH_X86",
            Arch::Aarch64 => "SCMP_ARCH_AARCH64",
            Arch::Arm => "SCMP_ARCH_ARM",
            Arch::Riscv64 => "SCMP_ARCH_RISCV64",
        }
    }

    /// `AUDIT_ARCH_…` of include/uapi/linux/audit.h, which the kernel puts into `seccomp_data.arch`. It is the ELF
    /// machine, with bit 31 for 64-bit and bit 30 for little-endian.
    pub(crate) fn audit(self) -> u32 {
        match self {
            Arch::X86_64 => 0xc000_003e,
            Arch::I386 => 0x4000_0003,
            Arch::Aarch64 => 0xc000_00b7,
            Arch::Arm => 0x4000_0028,
            Arch::Riscv64 => 0xc000_00f3,
        }
    }

    /// Whether registers, and so arguments, have 32 bits.
    pub(crate) fn is_32bit(self) -> bool {
        matches!(self, Arch::I386 | Arch::Arm)
    }

    /// The kernel that runs this convention: its own, or the one whose 32-bit convention it is.
    pub(crate) fn kernel(self) -> Arch {
        Arch::KERNELS.into_iter().find(|kernel| kernel.compat() == Some(self)).unwrap_or(self)
    }

    /// The 32-bit convention that a kernel of this architecture also runs.
    pub(crate) fn compat(self) -> Option<Arch> {
        match self {
            Arch::X86_64 => Some(Arch::I386),
            Arch::Aarch64 => Some(Arch::Arm),
            Arch::I386 | Arch::Arm | Arch::Riscv64 => None,
        }
    }

    /// The first number that is refused whatever the profile says.
    ///
    /// On x86_64 bit 30 (`__X32_SYSCALL_BIT`) makes a call one of the x32 convention, with the same `AUDIT_ARCH`.
    /// Without this bound, a list of denied numbers lets x32 calls through (firejail issue 87, rust-vmm/seccompiler
    /// issue 74).
    pub(crate) fn first_refused(self) -> Option<u32> {
        (self == Arch::X86_64).then_some(0x4000_0000)
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Names of architectures in `architectures` and `archMap` of OCI profiles, those of other kernels included
/// (opencontainers/runtime-spec, config-linux.md).
pub(crate) const OCI_NAMES: &[&str] = &[
    "SCMP_ARCH_X86_64",
    "SCMP_ARCH_X86",
    "SCMP_ARCH_X32",
    "SCMP_ARCH_ARM",
    "SCMP_ARCH_AARCH64",
    "SCMP_ARCH_MIPS",
    "SCMP_ARCH_MIPS64",
    "SCMP_ARCH_MIPS64N32",
    "SCMP_ARCH_MIPSEL",
    "SCMP_ARCH_MIPSEL64",
    "SCMP_ARCH_MIPSEL64N32",
    "SCMP_ARCH_PPC",
    "SCMP_ARCH_PPC64",
    "SCMP_ARCH_PPC64LE",
    "SCMP_ARCH_S390",
    "SCMP_ARCH_S390X",
    "SCMP_ARCH_PARISC",
    "SCMP_ARCH_PARISC64",
    "SCMP_ARCH_RISCV64",
    "SCMP_ARCH_LOONGARCH64",
    "SCMP_ARCH_M68K",
    "SCMP_ARCH_SH",
    "SCMP_ARCH_SHEB",
];

/// Names of architectures in `includes.arches` and `excludes.arches`: those of libseccomp-golang, and one that Docker's
/// profile misspelt for years (`mips3l64n32`).
pub(crate) const GO_NAMES: &[&str] = &[
    "amd64",
    "x86",
    "x32",
    "arm",
    "arm64",
    "mips",
    "mips64",
    "mips64n32",
    "mips3l64n32",
    "mipsel",
    "mipsel64",
    "mipsel64n32",
    "ppc",
    "ppc64",
    "ppc64le",
    "s390",
    "s390x",
    "parisc",
    "parisc64",
    "riscv64",
    "loong64",
    "m68k",
    "sh",
    "sheb",
];
