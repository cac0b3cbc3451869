#!/bin/sh
# Rooms depend downwards only, and are named in full: lib/ includes "room/file.h"
# or <tdpsim/file.h>. Drivers and examples see the public headers alone; explore sees
# the scheduler of the virtual engine and the stress scenarios as well. The
# hardware's walk shares no code with the tables that it contradicts. The reader of
# traces is apart from the rooms: of the simulator it knows the types alone, and of its own
# headers the tools see those that describe a trace and read one.
. "$(dirname "$0")/common.sh"

rooms='platform observe host paging guest mmu vm check'
for room in $rooms trace; do
    [ -d "lib/$room" ] || complain "there is no room lib/$room"
done
find lib -mindepth 1 -maxdepth 1 -type d | while read -r folder; do
    room=${folder#lib/}
    case " $rooms trace " in
    *" $room "*) ;;
    *) echo "$folder" ;;
    esac
done | complain_each "folders of lib/ that are no room:"

built="platform $(sed -n 's/^set(tdpsim_rooms \(.*\))$/\1/p' lib/CMakeLists.txt)"
[ "$(echo "$built" | tr ' ' '\n' | sort)" = "$(echo "$rooms" | tr ' ' '\n' | sort)" ] ||
    complain "lib/CMakeLists.txt builds other rooms than $rooms: $built"

code lib | grep -v '^lib/trace/' | grep -E ':[[:space:]]*#[[:space:]]*include[[:space:]]*"' |
    awk -v rooms="$rooms" '
    BEGIN {
        count = split(rooms, name)
        for (i = 1; i <= count; i++) rank[name[i]] = i
    }
    {
        split($0, place, ":"); split(place[1], path, "/"); room = path[2]
        split($0, quoted, "\""); target = quoted[2]
        split(target, to, "/")
        if (target !~ /\//) {
            if (room != "platform") print $0 "   (write it from lib/)"
        } else if (!(to[1] in rank)) {
            print $0 "   (no such room)"
        } else if (rank[to[1]] > rank[room]) {
            print $0 "   (" room " is below " to[1] ")"
        }
    }' | complain_each "includes that do not go downwards:"

alternatives=$(echo "$rooms" | tr ' ' '|')
code bench examples include | grep -vE '^bench/(limits|tools/explore)/' |
    grep -E "#[[:space:]]*include[[:space:]]*[\"<](lib/|\.\./lib/)?($alternatives)/" |
    complain_each "outside lib/ only the public headers are seen:"

code lib/trace | grep -E '#[[:space:]]*include[[:space:]]*("|<tdpsim/)' |
    grep -vE 'include[[:space:]]*("trace/[a-z_]*\.h"|<tdpsim/types\.h>)' |
    complain_each "lib/trace/ sees its own files and <tdpsim/types.h> alone:"

trace_headers='event|header|parse|problem|read|trace'
code bench examples include | grep -E '#[[:space:]]*include[[:space:]]*["<](lib/)?trace/' |
    grep -vE "^bench/tools/.*\"trace/($trace_headers)\.h\"" |
    complain_each "only bench/tools/ may include lib/trace/, and only its public headers:"

code lib/paging | grep -E '^lib/paging/walk\.[ch]:.*include.*"paging/(table|iter)\.h"' |
    complain_each "walk.c is a witness and may not see the tables or the iterator:"

code lib bench tests examples | grep -E 'include[[:space:]]*".*\.c"' |
    complain_each "a source includes a source:"

verdict
