package labels

import "testing"

func TestMatch(t *testing.T) {
	labels := map[string]string{"disk": "fast", "zone": "north"}
	for _, c := range []struct {
		selector map[string]string
		want     bool
	}{
		{nil, true},
		{map[string]string{"disk": "fast"}, true},
		{map[string]string{"disk": "slow"}, false},
		{map[string]string{"rack": ""}, false},
	} {
		if got := Match(c.selector, labels); got != c.want {
			t.Errorf("Match(%v) = %v, want %v", c.selector, got, c.want)
		}
	}
}
