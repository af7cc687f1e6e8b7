// Reads what the wallet's reader of YAML made of many texts, and compares: whatever npm's yaml (YAML 1.2, as editors read
// it) takes too, it must read alike. Run by ../run; `node alike.mjs CORPUS RECORDED` also records some answers.
import { readFileSync, writeFileSync } from 'node:fs'
import { isMap, isScalar, isSeq, parseAllDocuments } from 'yaml'

const tree = node => {
	if (node === null) return ''
	if (isMap(node)) return { map: node.items.flatMap(pair => [tree(pair.key), tree(pair.value)]) }
	if (isSeq(node)) return node.items.map(tree)
	if (isScalar(node)) return node.value === null ? '' : String(node.value)
	return { unknown: String(node) }
}

// read returns null for what npm's yaml refuses.
const read = text => {
	const documents = parseAllDocuments(text, { version: '1.2', schema: 'failsafe', logLevel: 'silent' })
	if (documents.empty || documents.length !== 1 || documents[0].errors.length > 0) return null
	return tree(documents[0].contents)
}

const [corpus, recorded] = process.argv.slice(2)
const counts = { texts: 0, 'taken by the wallet': 0, 'taken by both': 0, 'read differently': 0 }
const record = []
for (const line of readFileSync(corpus, 'utf8').split('\n').filter(Boolean)) {
	const { text, tree: ours } = JSON.parse(line)
	counts.texts++
	const npm = recorded || ours !== null ? read(text) : null
	if (recorded && text.length < 80 && npm !== null && counts.texts % 5 === 0 && record.length < 300) record.push({ text, npm })
	if (ours === null) continue
	counts['taken by the wallet']++
	if (npm === null) continue
	counts['taken by both']++
	if (JSON.stringify(npm) !== JSON.stringify(ours) && ++counts['read differently'] <= 20) {
		console.log(`${JSON.stringify(text)}\n  the wallet: ${JSON.stringify(ours)}\n  npm:        ${JSON.stringify(npm)}`)
	}
}
if (recorded) writeFileSync(recorded, record.map(one => JSON.stringify(one) + '\n').join(''))
console.log(counts)
if (counts['read differently'] > 0 || counts['taken by both'] < 500) process.exit(1)
