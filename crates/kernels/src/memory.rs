//! Reusable buffers.
//!
//! Fresh memory costs a page fault per 4 KiB at its first access, which takes as long as the kernels need to
//! fill it. Output buffers therefore return to a pool when their last tensor is dropped. All threads share
//! the pool. Used and idle buffers together never exceed the largest amount used at one time by more than an
//! eighth.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Mutex;

use burn_flex::FlexTensor;
use burn_std::{AllocationController, AllocationProperty, Bytes, DType, Shape};

/// Size of a cache line and of the widest vector.
const ALIGNMENT: usize = 64;
/// Blocks are whole pages, so that buffers of similar size can share them.
const GRANULE: usize = 4096;

/// A buffer of floats from the pool, with unspecified contents.
pub(crate) struct Buffer {
    block: Block,
    len: usize,
}

impl Buffer {
    /// A buffer of `len` floats that the caller is going to overwrite.
    pub fn uninitialised(len: usize) -> Self {
        let bytes = (len * size_of::<f32>()).max(1).next_multiple_of(GRANULE);
        let block = pool().take(bytes).unwrap_or_else(|| Block::allocate(bytes));
        let mut buffer = Self { block, len };
        if cfg!(test) {
            // NaN reveals kernels that leave part of their output unwritten.
            buffer.fill(f32::NAN);
        }
        buffer
    }

    /// Converts the buffer to a tensor of this shape without copying.
    ///
    /// # Panics
    /// If the shape has a different number of elements.
    pub fn into_tensor(self, shape: impl Into<Shape>) -> FlexTensor {
        let shape = shape.into();
        assert_eq!(shape.num_elements(), self.len, "buffer and shape differ in size");
        let len = self.len * size_of::<f32>();
        // SAFETY: the block holds at least `len` bytes, all initialised since it was allocated zeroed.
        let bytes = unsafe { Bytes::from_controller(Box::new(self), len) };
        FlexTensor::new(bytes, burn_flex::Layout::contiguous(shape), DType::F32)
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: the block is aligned, initialised, at least `len` floats long and owned by `self`.
        unsafe { std::slice::from_raw_parts(self.block.start.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as in `deref`, and `self` is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.block.start.as_ptr().cast(), self.len) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let gone = Block { start: NonNull::dangling(), bytes: 0 };
        pool().give(std::mem::replace(&mut self.block, gone));
    }
}

impl AllocationController for Buffer {
    fn alloc_align(&self) -> usize {
        ALIGNMENT
    }

    fn property(&self) -> AllocationProperty {
        AllocationProperty::Other
    }

    unsafe fn memory_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        // SAFETY: the block is `bytes` long and owned by `self`, borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.block.start.as_ptr().cast(), self.block.bytes) }
    }

    fn memory(&self) -> &[MaybeUninit<u8>] {
        // SAFETY: the block is `bytes` long and owned by `self`.
        unsafe { std::slice::from_raw_parts(self.block.start.as_ptr().cast(), self.block.bytes) }
    }
}

/// Memory from the allocator, initialised, freed when dropped.
struct Block {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: a block owns its memory and nothing else points into it.
unsafe impl Send for Block {}
// SAFETY: a shared block only hands out shared slices.
unsafe impl Sync for Block {}

impl Block {
    fn allocate(bytes: usize) -> Self {
        let layout = Self::layout(bytes);
        // SAFETY: `bytes` is a positive multiple of GRANULE.
        let start = unsafe { alloc_zeroed(layout) };
        Self { start: NonNull::new(start).unwrap_or_else(|| handle_alloc_error(layout)), bytes }
    }

    fn layout(bytes: usize) -> Layout {
        Layout::from_size_align(bytes, ALIGNMENT).expect("a buffer is smaller than the address space")
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if self.bytes > 0 {
            // SAFETY: allocated in `allocate` with the same layout; only the emptied block of a dropped
            // buffer has no bytes.
            unsafe { dealloc(self.start.as_ptr(), Self::layout(self.bytes)) }
        }
    }
}

/// Idle blocks, by size.
#[derive(Default)]
struct Idle {
    blocks: BTreeMap<usize, Vec<Block>>,
    idle_bytes: usize,
    used_bytes: usize,
    most_used_bytes: usize,
}

struct Pool(Mutex<Idle>);

fn pool() -> &'static Pool {
    static POOL: Pool =
        Pool(Mutex::new(Idle { blocks: BTreeMap::new(), idle_bytes: 0, used_bytes: 0, most_used_bytes: 0 }));
    &POOL
}

impl Pool {
    /// The smallest idle block that holds `bytes` and wastes at most an eighth. Counts the block as used in
    /// either case.
    fn take(&self, bytes: usize) -> Option<Block> {
        let mut idle = self.lock();
        let fit = idle.blocks.range(bytes..=bytes + bytes / 8).next().map(|(&size, _)| size);
        let block = fit.and_then(|size| idle.remove(size));
        idle.used_bytes += block.as_ref().map_or(bytes, |block| block.bytes);
        idle.most_used_bytes = idle.most_used_bytes.max(idle.used_bytes);
        let surplus = idle.trim();
        drop(idle);
        drop(surplus);
        block
    }

    fn give(&self, block: Block) {
        let mut idle = self.lock();
        idle.used_bytes -= block.bytes;
        idle.idle_bytes += block.bytes;
        idle.blocks.entry(block.bytes).or_default().push(block);
        let surplus = idle.trim();
        drop(idle);
        drop(surplus);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Idle> {
        // No code panics while the lock is held, so a poisoned lock still has a consistent value.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Idle {
    fn remove(&mut self, size: usize) -> Option<Block> {
        let blocks = self.blocks.get_mut(&size)?;
        let block = blocks.pop();
        if blocks.is_empty() {
            self.blocks.remove(&size);
        }
        self.idle_bytes -= block.as_ref().map_or(0, |block| block.bytes);
        block
    }

    /// Removes the largest idle blocks until used and idle memory together are at most 9/8 of the largest
    /// use. With a lower limit, alternating sizes would be freed and allocated again.
    fn trim(&mut self) -> Vec<Block> {
        let mut surplus = Vec::new();
        while self.used_bytes + self.idle_bytes > self.most_used_bytes + self.most_used_bytes / 8 {
            let Some((&largest, _)) = self.blocks.last_key_value() else { break };
            surplus.extend(self.remove(largest));
        }
        surplus
    }
}

/// Runs `work` with thread-local scratch memory: `len` floats with unspecified contents, aligned to a cache
/// line.
pub(crate) fn with_scratch<R>(len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    thread_local! {
        static SCRATCH: RefCell<Vec<Block>> = const { RefCell::new(Vec::new()) };
    }
    let bytes = (len * size_of::<f32>()).max(1).next_multiple_of(GRANULE);
    // Removed from the list while in use: a nested call on the same thread (rayon may run another task
    // inside) gets its own.
    let block = SCRATCH
        .with_borrow_mut(Vec::pop)
        .filter(|block| block.bytes >= bytes)
        .unwrap_or_else(|| Block::allocate(bytes));
    // SAFETY: the block is aligned, initialised, at least `len` floats long and owned by this call.
    let floats = unsafe { std::slice::from_raw_parts_mut(block.start.as_ptr().cast(), len) };
    if cfg!(test) {
        floats.fill(f32::NAN);
    }
    let result = work(floats);
    SCRATCH.with_borrow_mut(|kept| kept.push(block));
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensor_over_a_buffer_has_its_values_and_can_be_written() {
        let mut buffer = Buffer::uninitialised(6);
        buffer.copy_from_slice(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let tensor = buffer.into_tensor([2, 3]);
        let mut copy = tensor.clone();
        copy.storage_mut::<f32>()[0] = 9.0;
        assert_eq!(tensor.storage::<f32>(), &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(copy.storage::<f32>()[..2], [9.0, 2.0]);
    }

    #[test]
    fn waiting_blocks_are_bounded_by_what_was_used_at_one_time() {
        let mut idle = Idle { most_used_bytes: 3 * GRANULE, idle_bytes: 3 * GRANULE, ..Idle::default() };
        for size in [2 * GRANULE, GRANULE] {
            idle.blocks.entry(size).or_default().push(Block::allocate(size));
        }
        assert!(idle.trim().is_empty());
        idle.used_bytes = 2 * GRANULE;
        assert_eq!(idle.trim().len(), 1);
        assert_eq!(idle.blocks.keys().collect::<Vec<_>>(), [&GRANULE]);
        assert_eq!(idle.idle_bytes, GRANULE);
    }

    #[test]
    fn scratch_may_be_nested() {
        with_scratch(8, |outer| {
            outer.fill(1.0);
            with_scratch(8, |inner| inner.fill(2.0));
            assert!(outer.iter().all(|&value| value == 1.0));
        });
    }
}
