package cache

// TagKind and TagKey: shim until merge.
const TagKind = "tag"

func TagKey(name string) Key {
	p := NewPreimage()
	p.Add("kind", 's', "tag")
	p.Add("name", 's', name)
	return p.Key()
}
