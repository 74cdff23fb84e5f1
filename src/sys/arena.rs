//! The allocator of the program: an arena for a process that lives as long as one launch.
//!
//! A launch makes some thousand small allocations and ends. It needs no free list, no lock and no system call for them.
//! realpath(3) needs a buffer of `PATH_MAX` bytes, and musl's allocator maps and unmaps a page for each: that was a
//! tenth of a launch. What does not fit into the arena goes to the allocator of the C library, so a long run (`doctor`,
//! a large workspace) can reuse freed memory.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Size of the arena in bytes. It lies in `.bss`, so pages that are never touched cost nothing.
const ROOM: usize = 1 << 20;
/// Blocks larger than this, in bytes, come from the C library: it gives their pages back to the kernel.
const LARGEST: usize = 64 << 10;

/// Every block is aligned to this many bytes, as with malloc(3). Some code asks for bytes and writes structs into them
/// (nix, for messages with descriptors).
const LEAST_ALIGN: usize = 16;

/// A bump allocator: it hands out one block after the other, and can take back only the last one.
pub struct Arena {
    room: UnsafeCell<Room>,
    /// Bytes in use, from the start of the room.
    used: AtomicUsize,
}

/// Page-aligned, so that an aligned offset is an aligned address, for alignments up to a page.
#[repr(align(4096))]
struct Room([u8; ROOM]);

// SAFETY: one atomic exchange of `used` hands out a block, so no two threads get the same bytes.
unsafe impl Sync for Arena {}

impl Arena {
    /// An empty arena. Use it for a `static` only: elsewhere it would be a large value on a stack.
    #[allow(clippy::new_without_default)] // only a static should be one
    pub const fn new() -> Arena {
        Arena { room: UnsafeCell::new(Room([0; ROOM])), used: AtomicUsize::new(0) }
    }

    fn base(&self) -> *mut u8 {
        // SAFETY: the room lives as long as the arena, and no reference to it is made.
        unsafe { (&raw mut (*self.room.get()).0).cast() }
    }

    /// The offset of `block`, if the arena holds it.
    fn offset(&self, block: *mut u8) -> Option<usize> {
        let offset = (block as usize).wrapping_sub(self.base() as usize);
        (offset < ROOM).then_some(offset)
    }

    /// Moves the end of the used part from `from` to `to`. Returns false if the end was not at `from`.
    fn move_end(&self, from: usize, to: usize) -> bool {
        self.used.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

// SAFETY: each block lies in the room, or comes from `System` and goes back to it. Blocks in the room do not overlap.
// Each begins at or after the end of the used part, and one atomic step moves that end behind the block. The end moves
// back over the last block only, when its owner gives it up.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let mut used = self.used.load(Ordering::Relaxed);
        loop {
            let start = used.next_multiple_of(layout.align().max(LEAST_ALIGN));
            let end = start + layout.size().min(ROOM);
            if end > ROOM || layout.size() > LARGEST || layout.align() > align_of::<Room>() {
                // SAFETY: the caller keeps the rules of `alloc`, which are the same for `System`.
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
            // The last block can be used again. Any other stays in use: the process ends soon.
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
        // A vector that grows is usually the last block, so it can grow in place.
        let fits = size <= LARGEST && start + size <= ROOM;
        if fits && self.move_end(start + layout.size(), start + size) || size <= layout.size() {
            return block;
        }
        // SAFETY: the caller promises that `size`, rounded up to the alignment, does not overflow.
        let new = unsafe { self.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
        if !new.is_null() {
            // SAFETY: the old block has `layout.size()` bytes, fewer than the new one, and the two do not overlap.
            unsafe { new.copy_from_nonoverlapping(block, layout.size()) };
            // SAFETY: the old block has this layout, and nobody uses it any longer.
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

            // The last block grows in place. Any other is moved with its content.
            assert_eq!(ARENA.realloc(third, layout(8, 8), 800), third);
            second.write_bytes(7, 16);
            let moved = ARENA.realloc(second, layout(16, 16), 32);
            assert_ne!(moved, second);
            assert_eq!(std::slice::from_raw_parts(moved, 16), [7; 16]);
            assert_eq!(ARENA.realloc(moved, layout(32, 16), 4), moved, "one that shrinks stays");

            // Blocks that are too large, too strictly aligned or do not fit come from the C library.
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
