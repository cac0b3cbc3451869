/* Roots: finding, making, counting, invalidating. See root.h. */
#include "mmu/root.h"

#include "mmu/table_cache.h"
#include "mmu/trace.h"

static bool root_try_get(struct table *root)
{
	uint32_t references = u32_load_relaxed(&root->references); /* feeds the swap */

	while (references) /* R2 */
		if (u32_cas_acq_rel(&root->references, &references, references + 1))
			return true;
	return false;
}

static void unlink_root(struct mmu *mmu, struct table *root)
{
	atomic_ptr *link = &mmu->pages.roots;

	spinlock_lock(&mmu->pages.lock);
	for (;;) {
		struct table *at = ptr_load_relaxed(link); /* the list is ours: pages_lock */

		if (at == root)
			break;
		link = &at->next_root;
	}
	/* root->next_root stays: a reader at this root finds the rest of the list. */
	ptr_store_release(link, ptr_load_relaxed(&root->next_root));
	spinlock_unlock(&mmu->pages.lock);
}

void root_put(struct mmu_actor *actor, struct table *root)
{
	if (u32_add_acq_rel(&root->references, (uint32_t)-1) != 1)
		return;
	CHECK(root_invalid(root)); /* R1 */
	unlink_root(actor->mmu, root);
	table_free_deferred(actor->mmu->host, root);
}

static struct table *find_root(struct mmu *mmu, uint32_t role)
{
	struct table *root;

	for (root = ptr_load_acquire(&mmu->pages.roots); root;
	     root = ptr_load_acquire(&root->next_root))
		if (u32_load_relaxed(&root->role) == role && root_try_get(root)) /* R3 */
			return root;
	return NULL;
}

static struct table *publish_root(struct mmu_context *context)
{
	struct mmu *mmu = context->actor.mmu;
	struct table *root = table_cache_take(context);

	root->gfn = tdp_gfn(0);
	root->parent = NULL;
	u32_store_relaxed(&root->role, context->role.word); /* published by the list, below */
	if (mmu_tracing(&context->actor))
		trace_page(&context->actor, TDP_TRACE_GET_PAGE, root, true);
	u32_store_relaxed(&root->references, 2);
	ptr_store_relaxed(&root->next_root, ptr_load_relaxed(&mmu->pages.roots));
	ptr_store_release(&mmu->pages.roots, root);
	return root;
}

/* Under mmu_lock in either mode: no root is invalidated meanwhile. */
static struct table *find_or_make_root(struct mmu_context *context)
{
	struct mmu *mmu = context->actor.mmu;
	struct table *root;

	mmu_read_begin(&context->actor);
	root = find_root(mmu, context->role.word);
	if (!root) {
		spinlock_lock(&mmu->pages.lock);
		root = find_root(mmu, context->role.word);
		if (!root)
			root = publish_root(context);
		spinlock_unlock(&mmu->pages.lock);
	}
	mmu_read_end(&context->actor);
	return root;
}

int root_get(struct mmu_context *context, struct table **root)
{
	struct mmu_actor *actor = &context->actor;
	int err = table_cache_fill(context);

	if (err)
		return err;
	if (actor->mmu->policy.shared_root_alloc == TDP_ON) {
		struct mmu_shared shared = mmu_lock_shared(actor);

		*root = find_or_make_root(context);
		mmu_unlock_shared(shared);
	} else {
		struct mmu_exclusive exclusive = mmu_lock_exclusive(actor);

		*root = find_or_make_root(context);
		mmu_unlock_exclusive(exclusive);
	}
	return 0;
}

static bool root_wanted(const struct table *root, enum root_filter filter, int address_space)
{
	uint32_t role = u32_load_relaxed(&root->role);

	if (filter == ROOTS_VALID && (role & ROLE_INVALID))
		return false;
	return address_space == ANY_ADDRESS_SPACE ||
	       role_address_space(role) == (unsigned int)address_space;
}

const struct table *root_next_unheld(const struct mmu *mmu, const struct table *previous,
				     enum root_filter filter, int address_space)
{
	const struct table *root =
		ptr_load_acquire(previous ? &previous->next_root : &mmu->pages.roots);

	while (root && !root_wanted(root, filter, address_space))
		root = ptr_load_acquire(&root->next_root);
	return root;
}

struct table *root_next(struct mmu_actor *actor, struct table *previous, enum root_filter filter,
			int address_space)
{
	struct table *root;

	mmu_read_begin(actor);
	root = ptr_load_acquire(previous ? &previous->next_root : &actor->mmu->pages.roots);
	while (root && !(root_wanted(root, filter, address_space) && root_try_get(root)))
		root = ptr_load_acquire(&root->next_root);
	mmu_read_end(actor);
	if (previous)
		root_put(actor, previous);
	return root;
}

void roots_invalidate(struct mmu_exclusive exclusive)
{
	struct mmu *mmu = exclusive.held.actor->mmu;
	struct table *root;

	for (root = ptr_load_acquire(&mmu->pages.roots); root;
	     root = ptr_load_acquire(&root->next_root)) {
		if (root_invalid(root))
			continue;
		root->zap_scheduled = true;
		u32_or_acq_rel(&root->role, ROLE_INVALID);
	}
}
