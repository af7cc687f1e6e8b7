package policy

func (c *compiler) review(p *Policy) {}
