# A scenario (synthesise.awk) in which another task ages pages while a guest instruction runs:
# before it fetches, before its data, and after it, at random; dirty logging goes on and off.
# Variables: seed; code (0 or 1): is the page of the code aged, too?; apart (0 or 1): do other
# lines stand between those of an ageing?
BEGIN {
	state = seed * 48271
	print "create 1\nbacking anon-4k 7f000000 100\nslot 0 0 0 0 100 7f000000\ndone"
	print "backing anon-4k 7f001000 200"
	log_slot(0)
	print "hostlevel 1\nwarm"
	for (i = 0; i < 8; i++)
		printf "acc 0 W 4000%x\nfault 0 W 4000%x 1\n", i, i
	for (n = 0; n < 200; n++) {
		access = sprintf("0 %s 4000%x", draw() < 0.5 ? "R" : "W", int(draw() * 8))
		print "begin " access
		age()
		print "code"
		age()
		print "data " access
		age()
		print "end " access
		if (draw() < 0.05)
			log_slot(!logged)
	}
	finish(1)
	print "destroy"
}

# Below 1; Park and Miller's, so that every awk draws the same.
function draw() {
	state = state * 16807 % 2147483647
	return state / 2147483647
}

function log_slot(on) {
	logged = on
	print "slot 0 1 " on " 40000 200 7f001000"
	if (on)
		print "protect 0 40000 40007 1\nflush"
	print "done"
}

function page() {
	return code && draw() < 0.3 ? "7f000001" : sprintf("7f00100%x", int(draw() * 8))
}

# Ages at random; what is still to be aged, of a range of two pages, later.
function age(    first) {
	while (draw() < 0.25) {
		if (!apart) {
			print "agepages " page()
			continue
		}
		finish(1)
		first = page()
		print "agebegin " first
		left[++ends] = first
		left[++ends] = substr(first, 1, 7) substr("123456789", substr(first, 8) + 1, 1)
	}
	finish(0.4)
}

function finish(probability) {
	while (begun < ends && draw() < probability)
		print "agepage " left[++begun]
}
