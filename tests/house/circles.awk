# Reads C files and prints the calls that make circles between them.
#
# A file calls another where one of its functions calls one that the other defines. A header and
# the source of its name are one file. A static function of a source is nobody else's; one of a
# header belongs to all. A call through a pointer is not seen. Each line of the result is a call
# from one file to another that leads back to the first.

function without_comments(line,    text, start, end) {
    text = ""
    while (line != "") {
        if (in_comment) {
            if (!(end = index(line, "*/"))) return text
            line = substr(line, end + 2); in_comment = 0
        } else if ((start = match(line, /\/[*\/]/))) {
            text = text substr(line, 1, start - 1)
            if (substr(line, start, 2) == "//") return text
            line = substr(line, start + 2); in_comment = 1
        } else {
            return text line
        }
    }
    return text
}

# The first name before a parenthesis, attributes aside.
function name_of(header) {
    gsub(/__attribute__[ \t]*\(\([^)]*(\([^)]*\))?[^)]*\)\)/, "", header)
    if (!match(header, /[A-Za-z_0-9]+[ \t]*\(/)) return ""
    header = substr(header, RSTART, RLENGTH)
    sub(/[ \t]*\($/, "", header)
    return header
}

function is_private(header,    word) {
    if (FILENAME ~ /\.h$/) return 0
    word = header
    sub(/[^A-Za-z_0-9].*/, "", word)
    return header ~ /(^|[^A-Za-z_0-9])static([^A-Za-z_0-9]|$)/ || ((FILENAME, word) in static_macro)
}

function begin_function(    name) {
    name = name_of(header)
    inside = name != ""
    if (!inside) return
    if (is_private(header)) own[room, name] = 1
    else if (!(name in home)) home[name] = room
}

function note_calls(line) {
    while (match(line, /[A-Za-z_][A-Za-z_0-9]*[ \t]*\(/)) {
        called = substr(line, RSTART, RLENGTH)
        member = substr(line, 1, RSTART - 1) ~ /(->|\.)$/
        line = substr(line, RSTART + RLENGTH)
        sub(/[ \t]*\($/, "", called)
        if (!member) calls[room, called] = 1
    }
}

# Does a chain of calls lead from one file to another?
function leads_to(from, to,    queue, seen, first, last, next_files, count, i) {
    split("", seen)
    queue[1] = from; first = last = 1; seen[from] = 1
    while (first <= last) {
        if (queue[first] == to) return 1
        count = split(targets[queue[first++]], next_files, " ")
        for (i = 1; i <= count; i++)
            if (!(next_files[i] in seen)) { seen[next_files[i]] = 1; queue[++last] = next_files[i] }
    }
    return 0
}

FNR == 1 {
    room = FILENAME
    sub(/\.[ch]$/, "", room)
    in_comment = 0; inside = 0; header = ""
    files++
}

{
    line = without_comments($0)
    gsub(/"([^"\\]|\\.)*"/, "\"\"", line)
}

inside {
    if (line ~ /^}/) { inside = 0; header = "" }
    else note_calls(line)
    next
}

line ~ /^#[ \t]*define[ \t]+[A-Za-z_0-9]+[ \t]+static/ { static_macro[FILENAME, $2] = 1 }
line == "{" && header ~ /\)[ \t]*$/ { begin_function(); next }
line ~ /^[A-Za-z_]/ && line !~ /[;{}=]/ { header = line; next }
line ~ /^[ \t]/ && header != "" && line !~ /[;{}=#]/ { header = header " " line; next }
line !~ /^[ \t]*$/ { header = "" }

END {
    for (pair in calls) {
        split(pair, part, SUBSEP)
        from = part[1]; to = home[part[2]]
        if ((from, part[2]) in own || to == "" || to == from) continue
        edge[from, to] = edge[from, to] " " part[2]
    }
    for (pair in edge) {
        split(pair, part, SUBSEP)
        targets[part[1]] = targets[part[1]] " " part[2]
    }
    for (pair in edge) {
        split(pair, part, SUBSEP)
        if (leads_to(part[2], part[1])) print part[1] " -> " part[2] ":" edge[pair]
    }
    if (!files) print "there is no C file to read"
}
