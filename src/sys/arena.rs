//! The allocator of the program: an arena for a process that lives as long as one launch.
//!
//! A launch makes some thousand small allocations and ends. It needs no free list, no lock and no call of the kernel.
//! musl's allocator maps and unmaps a page for each buffer of `PATH_MAX` bytes, as realpath(3) needs one: that was a
//! tenth of a launch. What does not fit goes to the allocator of the C library, so memory that is given back in a long
//! run (`doctor`, a large workspace) is used again.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes in the arena. Pages of it that are never touched cost nothing: they lie in `.bss`.
const ROOM: usize = 1 << 20;
/// Larger blocks, in bytes, are the C library's: it gives their pages back to the kernel.
const LARGEST: usize = 64 << 10;

/// Every block begins at a multiple of this, as with malloc(3): code that asks for bytes and writes structs into them
/// relies on it (nix, messages with descriptors).
const LEAST_ALIGN: usize = 16;

/// Hands out one block after the other, and takes back only the last.
pub struct Arena {
    room: UnsafeCell<Room>,
    /// Bytes that are handed out, from the start of the room.
    used: AtomicUsize,
}

/// Aligned so that the alignment of an offset is that of its address, for alignments up to this.
#[repr(align(4096))]
struct Room([u8; ROOM]);

// SAFETY: a block is handed out by one atomic exchange of `used`, so that no two threads get the same bytes.
unsafe impl Sync for Arena {}

impl Arena {
    /// An arena in which nothing is used. One that is no `static` would be a large value on a stack.
    #[allow(clippy::new_without_default)] // only a static should be one
    pub const fn new() -> Arena {
        Arena { room: UnsafeCell::new(Room([0; ROOM])), used: AtomicUsize::new(0) }
    }

    fn base(&self) -> *mut u8 {
        // SAFETY: the room is there as long as the arena; no reference to it is made.
        unsafe { (&raw mut (*self.room.get()).0).cast() }
    }

    /// The offset of `block` where it is one of the arena's.
    fn offset(&self, block: *mut u8) -> Option<usize> {
        let offset = (block as usize).wrapping_sub(self.base() as usize);
        (offset < ROOM).then_some(offset)
    }

    /// Moves the end of the used part from `from` to `to`; false where it was elsewhere.
    fn move_end(&self, from: usize, to: usize) -> bool {
        self.used.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

// SAFETY: each block lies in the room, or is one of `System`'s and goes back to it. Blocks in the room do not overlap:
// each begins at or behind the end of the used part, which moves behind it in the same step; the end moves back only over
// the last block, whose owner gives it up.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let mut used = self.used.load(Ordering::Relaxed);
        loop {
            let start = used.next_multiple_of(layout.align().max(LEAST_ALIGN));
            let end = start + layout.size().min(ROOM);
            if end > ROOM || layout.size() > LARGEST || layout.align() > align_of::<Room>() {
                // SAFETY: the caller keeps the rules of `alloc`, which are the same.
                return unsafe { System.alloc(layout) };
            }
            match self.used.compare_exchange_weak(used, end, Ordering::AcqRel, Ordering::Relaxed) {
                // SAFETY: `start` is below ROOM.
                Ok(_) => return unsafe { self.base().add(start) },
                Err(now) => used = now,
            }
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match self.offset(block) {
            // The last block is used again. Another one stays: its owner ends soon.
            Some(start) => {
                self.move_end(start + layout.size(), start);
            }
            // SAFETY: the block came from `System`, with this layout.
            None => unsafe { System.dealloc(block, layout) },
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Some(start) = self.offset(block) else {
            // SAFETY: the block came from `System`, with this layout; the caller keeps the rules of `realloc`.
            return unsafe { System.realloc(block, layout, size) };
        };
        // A vector that grows is the last block most of the time.
        let fits = size <= LARGEST && start + size <= ROOM;
        if fits && self.move_end(start + layout.size(), start + size) || size <= layout.size() {
            return block;
        }
        // SAFETY: the caller promises that `size`, rounded up to the alignment, is no overflow.
        let new = unsafe { self.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
        if !new.is_null() {
            // SAFETY: the old block has `layout.size()` bytes, which is less than the new one has; they do not overlap.
            unsafe { new.copy_from_nonoverlapping(block, layout.size()) };
            // SAFETY: the old block has this layout, and nobody uses it any more.
            unsafe { self.dealloc(block, layout) };
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static ARENA: Arena = Arena::new();

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    #[test]
    fn blocks_do_not_overlap_and_only_the_last_is_used_again() {
        // SAFETY: each block is used within its layout and given back with it.
        unsafe {
            let first = ARENA.alloc(layout(3, 1));
            let second = ARENA.alloc(layout(16, 16));
            assert!((second as usize).is_multiple_of(16));
            assert!(second as usize >= first as usize + 3);
            assert!((first as usize).is_multiple_of(LEAST_ALIGN));
            ARENA.dealloc(first, layout(3, 1));
            let third = ARENA.alloc(layout(8, 8));
            assert!(third as usize >= second as usize + 16, "a block in the middle is not used again");
            ARENA.dealloc(third, layout(8, 8));
            assert_eq!(ARENA.alloc(layout(8, 8)), third);

            // The last block grows where it is; another one moves with its content.
            assert_eq!(ARENA.realloc(third, layout(8, 8), 800), third);
            second.write_bytes(7, 16);
            let moved = ARENA.realloc(second, layout(16, 16), 32);
            assert_ne!(moved, second);
            assert_eq!(std::slice::from_raw_parts(moved, 16), [7; 16]);
            assert_eq!(ARENA.realloc(moved, layout(32, 16), 4), moved, "one that shrinks stays");

            // Too large, too strictly aligned, and more than there is room for: the C library's.
            for beyond in [layout(LARGEST + 1, 1), layout(8, 8192)] {
                let block = ARENA.alloc(beyond);
                assert!(ARENA.offset(block).is_none() && (block as usize).is_multiple_of(beyond.align()));
                block.write_bytes(1, beyond.size());
                ARENA.dealloc(block, beyond);
            }
            let page = layout(4096, 1);
            let blocks: Vec<*mut u8> = (0..ROOM / 4096 + 8).map(|_| ARENA.alloc(page)).collect();
            assert!(blocks.iter().any(|block| ARENA.offset(*block).is_none()));
            blocks.iter().for_each(|block| block.write_bytes(1, 4096));
            let grown = ARENA.realloc(blocks[0], page, LARGEST);
            assert!(ARENA.offset(grown).is_none());
            assert_eq!(std::slice::from_raw_parts(grown, 4096), [1; 4096]);
            ARENA.dealloc(grown, layout(LARGEST, 1));
            blocks[1..].iter().for_each(|block| ARENA.dealloc(*block, page));
        }
    }

    #[test]
    fn threads_get_blocks_of_their_own() {
        static SHARED: Arena = Arena::new();
        let take = |mark: u8| {
            // SAFETY: each block is written within its layout.
            let blocks: Vec<usize> = (0..500)
                .map(|_| unsafe {
                    let block = SHARED.alloc(layout(64, 8));
                    block.write_bytes(mark, 64);
                    block as usize
                })
                .collect();
            (mark, blocks)
        };
        let taken = std::thread::scope(|scope| {
            let threads: Vec<_> = (1..5).map(|mark| scope.spawn(move || take(mark))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        for (mark, blocks) in taken {
            for block in blocks {
                // SAFETY: the block was written by its thread, which has ended, and was not given back.
                assert_eq!(unsafe { std::slice::from_raw_parts(block as *const u8, 64) }, [mark; 64]);
            }
        }
    }
}
