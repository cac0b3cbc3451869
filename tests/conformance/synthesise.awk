# A trace as a real kernel would have printed it, from a scenario in words: for what the
# given traces do not hold. It knows what README.md of the captures states (entries of
# both formats, order of the lines, codes, flush points) and nothing of the library.
#
# Variables: kernel (6.1 or 6.12), format (npt or ept), and off (0) or on (1): ad, pml, eager, nx.
# Numbers of a scenario are hexadecimal gfns, but for ids, levels and counts.
#
# An entry is kept as letters: H host-writable, M MMU-writable, W, A, D, N not executable,
# T access-tracked. Entries are kept by "address space:level:gfn".

BEGIN {
	CONVFMT = "%.17g" # numbers beyond 31 bits are keys, too
	pages[1] = 1
	for (l = 2; l <= 5; l++)
		pages[l] = pages[l - 1] * 512
	ept = format == "ept"
	new = kernel != "6.1"
	fixed = new ? 5 : 4
	next_table = 1048576 + 4096
	next_frame = 1048576 + 65536
	rip["R"] = "1000"; rip["W"] = "1003"; rip["A"] = "1006"
	thread = "vmm-1"
	nothing = new ? "8000000000000000" : "0"
	frozen = new ? "80000000000005a0" : "5a0"
	header()
}

function header() {
	print "# kernel " kernel ".0"
	print "# kvm.eager_page_split=" (eager ? "Y" : "N")
	print "# kvm.nx_huge_pages=" (nx ? "Y" : "N")
	print "# kvm.mmio_caching=Y"
	if (ept) {
		print "# kvm_intel.ept=Y\n# kvm_intel.eptad=" (ad ? "Y" : "N")
		print "# kvm_intel.pml=" (pml ? "Y" : "N")
	} else
		print "# kvm_amd.npt=Y"
}

function number(hex,    value, i) {
	value = 0
	for (i = 1; i <= length(hex); i++)
		value = value * 16 + index("0123456789abcdef", substr(hex, i, 1)) - 1
	return value
}

function align(gfn, level) { return gfn - gfn % pages[level] }
function key(as, level, gfn) { return as ":" level ":" align(gfn, level) }
function line(task, text) { printf "%16s [000] %9d: %s\n", task, ++counter, text }
function mmu(text) { line(acting ? acting : thread, text) }
function mark(text) { line(thread, "tracing_mark_write: P: " text) }

# A host page's frame by its address, given out at first sight.
function frame_of(hva, level,    base) {
	base = align(hva, level)
	if (!((base, level) in frames)) {
		next_frame = align(next_frame + pages[level] - 1, level)
		frames[base, level] = next_frame
		next_frame += pages[level]
	}
	return frames[base, level] + hva - base
}

function join(high, frame, low) {
	return high ? sprintf("%x%09x%03x", high, frame, low) : sprintf("%x%03x", frame, low)
}

function table_value(table) {
	if (!ept)
		return join(0, table, 2087) # 827
	return join((new ? 32768 : 0) + (ad ? 0 : 16), table, ad ? 2311 : 2055) # 907, 807
}

function has(letters, one) { return index(letters, one) > 0 }
function without(letters, one) { sub(one, "", letters); return letters }
function with(letters, one) { return has(letters, one) ? letters : letters one }

function npt_leaf(letters, frame, level) {
	return join(has(letters, "N") ? 32768 : 0, frame, 2053 + 2 * has(letters, "W") + \
		32 * has(letters, "A") + 64 * has(letters, "D") + 128 * (level > 1) + \
		512 * has(letters, "H") + 1024 * has(letters, "M"))
}

function ept_leaf(letters, frame, level,    high, low) {
	high = (new ? 32768 : 0) + (ad ? 0 : 16) + 512 * has(letters, "H") + 1024 * has(letters, "M")
	low = 2048 + 112 + 128 * (level > 1)
	if (ad)
		low += 256 * has(letters, "A") + 512 * has(letters, "D")
	if (has(letters, "T"))
		return join(high + 64 + 256, frame, low)
	return join(high, frame, low + 1 + 2 * has(letters, "W") + 4 * !has(letters, "N"))
}

function leaf_value(letters, frame, level) {
	return ept ? ept_leaf(letters, frame, level) : npt_leaf(letters, frame, level)
}

function value_of(at,    part) {
	if (at in leaf) {
		split(at, part, ":")
		return leaf_value(leaf[at], leaf_frame[at], part[2])
	}
	if (at in table)
		return table_value(table[at])
	return nothing
}

function changed(at, old, to,    part) {
	split(at, part, ":")
	mmu(sprintf("kvm_tdp_mmu_spte_changed: as id %d gfn %x level %d old_spte %s new_spte %s", \
		part[1], part[3], part[2], old, to))
}

function page(event, gfn, level, end) {
	mmu(sprintf("%s: sp gen 0 gfn %x l%d 8-byte q0 direct wux nxe %s root 0 sync%s", event, \
		gfn, level, ad ? "ad" : "!ad", end))
}

function rights(letters) {
	return "r" (has(letters, "W") ? "w" : "-") (has(letters, "N") ? "-" : "x") "u"
}

# --- the host and its slots

$1 == "create" { mark("PHASE create vm type=0 vcpus=" $2); vcpus = $2; next }
$1 == "backing" { # kind, first page of the process's, pages, level
	mark(sprintf("HOST backing %s hva=0x%s000 size=0x%x000 pretouched=1", $2, $3, number($4)))
	next
}
$1 == "vcpus" { vcpus = $2; next } # made later than the VM
$1 == "cap" { ring = $2 == 192; mark("HOST enable_cap " $2 " arg0=" $3 " rc=0 errno=0"); next }
$1 == "slot" { # address space, id, flags, gfn, pages, hva; the call begins
	mark(sprintf("HOST set_memory_region as=%d slot=%d flags=0x%x gpa=0x%s000 size=0x%x000 hva=0x%s000", \
		$2, $3, $4, $5, number($6), $7))
	s = $2 ":" $3
	slot_gfn[s] = number($5); slot_pages[s] = number($6); slot_hva[s] = number($7)
	slot_read_only[s] = $4 == 2
	slot_log[s] = $4 == 1
	next
}
$1 == "done" { mark("HOST set_memory_region rc=0 errno=0"); next }
$1 == "thread" { thread = $2 ? "vcpu-" 10 + $2 : "vmm-1"; next } # who acts; 0: the host's
$1 == "readonly" { host_read_only[number($2)] = 1; next } # a page of the process's
$1 == "phase" { sub("phase ", ""); mark("PHASE " $0); next }
$1 == "host" { sub("host ", ""); mark("HOST " $0); next }
$1 == "exit" { sub("exit ", ""); mark("EXIT " $0); next }

function slot_of(as, gfn,    s) {
	for (s in slot_gfn)
		if (index(s, as ":") == 1 && gfn >= slot_gfn[s] && gfn < slot_gfn[s] + slot_pages[s])
			return s
	return ""
}

# --- roots

function load_root(vcpu, as) {
	if (!(as in root)) {
		root[as] = next_table++
		page("kvm_mmu_get_page", 0, 4, " new")
		roots = as " " roots # youngest first
	}
	mmu(sprintf(new ? "load_pgd: (x) root=0x%x000 level=4" : "ret_root: (x <- y) root=0x%x000", \
		root[as]))
}
$1 == "load" { load_root($2, $3); next } # vcpu, address space
$1 == "warm" {
	mark("PHASE warm: each vcpu runs NOP;HLT on the code page (gfn 1)")
	for (v = 0; v < vcpus; v++) {
		load_root(v, 0)
		if (v == 0)
			fault(v, 0, "F", number("101b"), 1, 1, "", 0)
		touch(0, 1, 0)
	}
	next
}

# --- accesses

# What the hardware leaves in the leaf: true if the access is allowed.
function touch(as, gfn, write,    at, level) {
	for (level = 3; level; level--)
		if ((at = key(as, level, gfn)) in leaf)
			break
	if (!level || has(leaf[at], "T") || (write && !has(leaf[at], "W")))
		return 0
	if (ad) {
		leaf[at] = with(leaf[at], "A")
		if (write)
			leaf[at] = with(leaf[at], "D")
	}
	return 1
}

$1 == "acc" { # vcpu, operation, gfn
	mark(sprintf("ACC vcpu=%d %s gpa=0x%s000", $2, $3, $4))
	touch(0, 1, 0)
	touch(0, number($4), $3 == "W" || $3 == "A")
	next
}
$1 == "reg" { mark("ACC vcpu=" $2 " " $3 " " $4); touch(0, 1, 0); next }

function code(op, at) {
	if (op == "walk") # a write, but for EPT without A/D flags
		return ept ? (ad ? "0x82" : "0x81") : "0x200000006"
	if (op == "W" || op == "A")
		return at in leaf && !has(leaf[at], "T") ? (ept ? "0x1aa" : "0x100000007") \
							 : (ept ? "0x182" : "0x100000006")
	if (op == "R")
		return ept ? "0x181" : "0x100000004"
	return at in leaf ? (ept ? "0x19c" : "0x100000015") : (ept ? "0x184" : "0x100000014")
}

# The flags of the kernel's own error code.
function flags(op, present,    text) {
	if (op == "W" || op == "A" || (op == "walk" && (ad || !ept)))
		text = "W"
	else
		text = op == "R" || op == "walk" ? (ept ? "U" : "") : "F"
	text = (present ? "P" (text ? "|" : "") : "") text
	if (!ept)
		text = text (text ? "|" : "") "U"
	return text (new ? (text ? "|" : "") (op == "walk" ? "0x200000000" : "0x100000000") : "")
}

function born(as, gfn, level,    s) {
	s = slot_of(as, gfn)
	if (slot_read_only[s] || host_read_only[slot_hva[s] + gfn - slot_gfn[s]])
		return ad ? "A" : ""
	return ad ? "HMWAD" : "HMW"
}

function fast_line(vcpu, address, op, present, at, old, to, fixes) {
	mmu(sprintf("fast_page_fault: vcpu %d gva %x%03x error_code %s sptep 0 old 0x%s new %s spurious 0 fixed %d", \
		vcpu, address, offset, flags(op, present), old, to, fixes))
}

# The tables from the root down to the leaf's.
function link_tables(as, gfn, level,    l, at) {
	for (l = 4; l > level; l--) {
		at = key(as, l, gfn)
		if (at in table)
			continue
		if (at in leaf && new) {
			page("kvm_mmu_get_page", align(gfn, l), l - 1, " new")
			split_leaf(as, gfn, l)
			continue
		}
		if (at in leaf)
			zap_shared(at)
		page("kvm_mmu_get_page", align(gfn, l), l - 1, " new")
		table[at] = next_table++
		changed(at, nothing, value_of(at))
	}
}

# Of a leaf; a table as well.
function zap_shared(at,    old) {
	old = value_of(at)
	if (new)
		mmu("flush_all: (x)")
	changed(at, old, new ? nothing : frozen)
	remove(at, 1)
	if (!new)
		mmu("flush_all: (x)")
}

function split_leaf(as, gfn, level,    at, old, i, child) {
	at = key(as, level, gfn)
	old = value_of(at)
	letters = leaf[at]
	for (i = 0; i < 512; i++) {
		child = key(as, level - 1, align(gfn, level) + i * pages[level - 1])
		leaf[child] = level == 2 && nx ? without(letters, "N") : letters
		leaf_frame[child] = leaf_frame[at] + i * pages[level - 1]
	}
	delete leaf[at]
	table[at] = next_table++
	changed(at, old, value_of(at))
	mmu(sprintf("kvm_mmu_split_huge_page: gfn %x spte %s level %d errno 0", align(gfn, level), \
		old, level))
}

# Takes away what `at` points to, with a line for each entry of a table.
function remove(at, shared,    part, level, first, i, child, old) {
	split(at, part, ":")
	if (!(at in table)) {
		delete leaf[at]
		return
	}
	level = part[2] - 1
	first = part[3]
	delete table[at]
	page("kvm_mmu_prepare_zap_page", first, level, "")
	for (i = 0; i < 512; i++) {
		child = key(part[1], level, first + i * pages[level])
		old = value_of(child)
		if (old == nothing && !shared)
			continue
		changed(child, old, frozen)
		remove(child, shared)
	}
}

function fault(vcpu, as, op, address, gfn, level, kind, marks,    at, old, s, l, to) {
	at = key(as, level, gfn)
	offset = op == "F" || op == "walk" ? address % 4096 : 0
	for (l = 3; l > level && !(key(as, l, gfn) in leaf); l--)
		;
	mmu(sprintf("kvm_page_fault: vcpu %d rip 0x%s address 0x%013x%03x error_code %s", vcpu, \
		op == "F" ? sprintf("%x", address) : op == "walk" ? walk_rip : \
		op == "X" ? sprintf("%x000", gfn) : rip[op], gfn, offset, code(op, key(as, l, gfn))))
	if (kind != "fresh" && (ad ? op == "W" && key(as, l, gfn) in leaf : 1))
		fast_line(vcpu, gfn, op, key(as, l, gfn) in leaf && !has(leaf[key(as, l, gfn)], "T"), \
			at, value_of(key(as, l, gfn)), value_of(key(as, l, gfn)), 0)
	s = slot_of(as, gfn)
	mmu(sprintf("kvm_mmu_spte_requested: gfn %x pfn %x level %d", gfn, \
		frame_of(slot_hva[s] + gfn - slot_gfn[s], host_level), level))
	link_tables(as, gfn, level)
	if (marks)
		mark_dirty(gfn)
	old = value_of(at)
	leaf[at] = born(as, gfn, level)
	if (nx && level > 1)
		leaf[at] = leaf[at] "N"
	leaf_frame[at] = frame_of(slot_hva[s] + align(gfn, level) - slot_gfn[s], host_level)
	to = value_of(at)
	changed(at, old, to)
	mmu(sprintf("kvm_mmu_set_spte: gfn %x spte %s (%s) level %d at 0", align(gfn, level), to, \
		rights(leaf[at]), level))
	mmu("ret_tdp_page_fault: (x) ret=" fixed)
	touch(as, gfn, op == "W" || op == "A" || op == "walk")
}

$1 == "hostlevel" { host_level = $2; next } # of what is faulted on from here on
$1 == "fault" { # vcpu, operation, gfn, level, "mark"
	fault($2, 0, $3, 0, number($4), $5, "", $6 == "mark")
	next
}
$1 == "fetch" { fault($2, 0, "F", number($3), 1, 1, "", 0); next } # vcpu, rip
$1 == "walk" { # vcpu, rip, gfn, offset
	walk_rip = $3
	fault($2, 0, "walk", number($5), number($4), 1, "", 0)
	next
}

# Of slot 1, where there are rings: into the only one.
function mark_dirty(gfn) {
	mmu(sprintf("mark_dirty: (x) gfn=0x%x", gfn))
	if (!ring)
		return
	pushed[dirty++] = gfn - slot_gfn["0:1"]
	mmu(sprintf("kvm_dirty_ring_push: ring 0: dirty 0x%x reset 0x%x slot 1 offset 0x%x (used %d)", \
		dirty, reset, pushed[dirty - 1], dirty - reset))
}

# A repair without the lock.
function repair(vcpu, op, gfn,    at, old, present) {
	at = key(0, 1, gfn); offset = 0; old = value_of(at)
	mmu(sprintf("kvm_page_fault: vcpu %d rip 0x%s address 0x%013x000 error_code %s", vcpu, \
		rip[op], gfn, code(op, at)))
	present = !has(leaf[at], "T")
	leaf[at] = without(leaf[at], "T")
	if (op == "W") {
		leaf[at] = with(leaf[at], "W")
		mark_dirty(gfn)
	}
	fast_line(vcpu, gfn, op, present, at, old, value_of(at), 1)
	mmu("ret_tdp_page_fault: (x) ret=" fixed)
	touch(0, gfn, op == "W")
}
# An access to a 4K page that is mapped, but may be logged or aged. vcpu, operation, gfn.
$1 == "again" {
	at = key(0, 1, number($4))
	clean = pml && $3 == "W" && !has(leaf[at], "D")
	mark(sprintf("ACC vcpu=%d %s gpa=0x%s000", $2, $3, $4))
	touch(0, 1, 0)
	if (!touch(0, number($4), $3 == "W"))
		repair($2, $3, number($4))
	if (clean)
		mark_dirty(number($4)) # by the CPU's log, at the HLT
	next
}
# The same in pieces, for what other tasks do in between: its line, and then the instruction's
# fetch and its data. vcpu, operation, gfn.
$1 == "begin" { mark(sprintf("ACC vcpu=%d %s gpa=0x%s000", $2, $3, $4)); next }
$1 == "code" { touch(0, 1, 0); next }
$1 == "data" {
	clean = pml && slot_log["0:1"] && $3 == "W" && !has(leaf[key(0, 1, number($4))], "D")
	if (!touch(0, number($4), $3 == "W")) {
		repair($2, $3, number($4))
		touch(0, 1, 0)
		if (!touch(0, number($4), $3 == "W"))
			repair($2, $3, number($4))
		touch(0, 1, 0)
	}
	next
}
$1 == "end" { if (clean) mark_dirty(number($4)); next }
# A write that ends before a page is asked for: to a read-only slot, to refused memory.
$1 == "refused" { # vcpu, gfn, result
	gfn = number($3); at = key(0, 1, gfn); offset = 0
	mmu(sprintf("kvm_page_fault: vcpu %d rip 0x1003 address 0x%013x000 error_code %s", $2, gfn, \
		code("W", at)))
	if (at in leaf || !ad)
		fast_line($2, gfn, "W", at in leaf, at, value_of(at), value_of(at), 0)
	mmu("ret_tdp_page_fault: (x) ret=" $4)
	next
}

# --- what the host does to entries

$1 == "unmap" { # first page of the process's, pages; zap lines follow
	mmu(sprintf("kvm_unmap_hva_range: mmu notifier unmap range: 0x%011x000 -- 0x%011x000", \
		number($2), number($2) + number($3)))
	next
}
$1 == "zap" { # address space, gfn, level
	at = key($2, $4, number($3)); old = value_of(at)
	delete leaf[at]
	changed(at, old, nothing)
	next
}
$1 == "flush" { mmu("flush_all: (x)"); next }
$1 == "dirty" { mmu("mark_dirty: (x) gfn=0x" $2); next }
$1 == "log" { # get | clear, slot, then for clear the range
	mark($2 == "get" ? "HOST get_dirty_log slot=" $3 : sprintf( \
		"HOST clear_dirty_log slot=%s first_page=%d num_pages=%d bitmap=all ones", $3, $4, $5))
	next
}
$1 == "result" { sub("result ", ""); mark("HOST get_dirty_log rc=0 errno=0 " $0); next }

$1 == "ring" { # the first 8 entries, as user space sees them
	for (i = 0; i < 8; i++) {
		mark(sprintf("HOST ring[%d] flags=%d slot=%d offset=0x%x", i, i >= reset && i < dirty, \
			i < dirty, i < dirty ? pushed[i] : 0))
		harvested += i >= harvested && i < dirty
	}
	next
}
$1 == "reset" { mark("PHASE KVM_RESET_DIRTY_RINGS"); next } # what is protected follows
$1 == "isreset" {
	count = harvested - reset
	reset = harvested
	mmu(sprintf("kvm_dirty_ring_reset: ring 0: dirty 0x%x reset 0x%x (used %d)", dirty, reset, \
		dirty - reset))
	mmu("flush_all: (x)")
	mark("HOST reset_dirty_rings rc=" count)
	next
}

# A pass over the leaves of a level that takes a right or a flag away.
function sweep(as, first, last, level, letter,    gfn, at, old) {
	for (gfn = first; gfn <= last; gfn += pages[level]) {
		at = key(as, level, gfn)
		if (!(at in leaf))
			continue
		old = value_of(at)
		leaf[at] = without(leaf[at], letter)
		if (value_of(at) != old)
			changed(at, old, value_of(at))
	}
}
# With PML D goes, and then W of huge pages alone: address space, gfn, last gfn, level.
$1 == "protect" {
	if (pml)
		sweep($2, number($3), number($4), $5, "D")
	if (!pml || $5 > 1)
		sweep($2, number($3), number($4), $5, "W")
	next
}
$1 == "writeprotect" { # address space, gfn, level: by a clear of the log
	at = key($2, $4, number($3)); old = value_of(at)
	leaf[at] = without(without(leaf[at], "W"), "M")
	changed(at, old, value_of(at))
	next
}
$1 == "split" { # address space, gfn, level
	page("kvm_mmu_get_page", number($3), $4 - 1, " new")
	split_leaf($2, number($3), $4)
	next
}
$1 == "recover" { zap_shared(key($2, $4, number($3))); next } # address space, gfn, level
$1 == "age" { # page of the process's, then gfns that lose A
	acting = "kdamond.0-9"
	mmu(sprintf("kvm_age_hva: mmu notifier age hva: 0x%011xa8c -- 0x%011xa8c", \
		number($2), number($2) + 1))
	for (i = 3; i <= NF; i++) {
		at = key(0, 1, number($i)); old = value_of(at)
		leaf[at] = ad ? without(leaf[at], "A") : without(leaf[at], "W") "T"
		changed(at, old, value_of(at))
	}
	acting = ""
	next
}
# Of whatever was accessed: page of the process's; an entry without A, or tracked, is old.
$1 == "agepages" {
	acting = "kdamond.0-9"
	mmu(sprintf("kvm_age_hva: mmu notifier age hva: 0x%011xa8c -- 0x%011xa8c", \
		number($2), number($2) + 1))
	for (i = number($2); i <= number($2) + 1; i++)
		for (s in slot_gfn)
			if (i >= slot_hva[s] && i < slot_hva[s] + slot_pages[s])
				age_page(i - slot_hva[s] + slot_gfn[s])
	acting = ""
	next
}
# The same in pieces, for what other tasks print in between: the range's line, and a page.
$1 == "agebegin" {
	line("kdamond.0-9", sprintf("kvm_age_hva: mmu notifier age hva: 0x%011xa8c -- 0x%011xa8c", \
		number($2), number($2) + 1))
	next
}
$1 == "agepage" {
	acting = "kdamond.0-9"
	for (s in slot_gfn)
		if (number($2) >= slot_hva[s] && number($2) < slot_hva[s] + slot_pages[s])
			age_page(number($2) - slot_hva[s] + slot_gfn[s])
	acting = ""
	next
}
function age_page(gfn,    at, old) {
	at = key(0, 1, gfn)
	if (!(at in leaf) || (ad ? !has(leaf[at], "A") : has(leaf[at], "T")))
		return
	old = value_of(at)
	leaf[at] = ad ? without(leaf[at], "A") : without(leaf[at], "W") "T"
	changed(at, old, value_of(at))
}
$1 == "testage" {
	line("kdamond.0-9", sprintf("kvm_test_age_hva: mmu notifier test age hva: 0x%011xa8c", \
		number($2)))
	next
}

# --- the end of the VM: all roots, youngest first

# The gfns of one level's entries into order[], ascending; how many.
function sorted(as, level,    at, count) {
	count = 0
	for (at in leaf)
		count = insert(at, as, level, count)
	for (at in table)
		count = insert(at, as, level, count)
	return count
}
function insert(at, as, level, count,    part, j) {
	split(at, part, ":")
	if (part[1] != as || part[2] != level)
		return count
	for (j = count; j > 0 && order[j] > part[3] + 0; j--)
		order[j + 1] = order[j]
	order[j + 1] = part[3] + 0
	return count + 1
}

function zap_level(as, level,    count, i, at, old, gfns) {
	count = sorted(as, level)
	for (i = 1; i <= count; i++)
		gfns[i] = order[i]
	for (i = 1; i <= count; i++) {
		at = key(as, level, gfns[i])
		old = value_of(at)
		changed(at, old, nothing)
		remove(at, 0)
	}
}

$1 == "destroy" {
	mark("PHASE destroy vm (close all fds)")
	split(roots, list, " ")
	for (r = 1; r in list; r++)
		for (l = new ? 1 : 3; l <= 4; l++)
			zap_level(list[r], l)
	mark("END scenario")
	next
}

$1 != "" && $1 !~ /^#/ {
	print "synthesise.awk: " FILENAME ":" FNR ": what is " $1 "?" >"/dev/stderr"
	exit 2
}
